"""The one way in which a job commits: under its lock, after the commit it knows of, and into the ledger."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from streamjoin.catalog.beside import CatalogSync
from streamjoin.errors import SinkError
from streamjoin.history.figures import Observed, services_metadata
from streamjoin.history.ledger import Ledger
from streamjoin.hudi import evolution
from streamjoin.hudi import write as hudi
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.repair import repair
from streamjoin.hudi.scratch import remove_scratch
from streamjoin.hudi.write import HudiTable
from streamjoin.lock import TableLock
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.services.table_services import TableServices


@dataclass
class TableWriter:
    """Writes the table of one job.

    Invariant: after `open` every commit of the table that carries a position was made by this writer, or `commit`
    raises. So no batch is committed on top of one that this process doesn't know of.

    Args:
        table: Where rows go.
        lock: The right to write it; None if no other process can (a test, a notebook).
        job: The job's name. Default: the table's.

    Attributes:
        catalog: What enters the table in its catalog.
    """

    table: HudiTable
    lock: TableLock | None = None
    job: str = ""
    catalog: CatalogSync = field(init=False, repr=False)
    _ledger: Ledger = field(init=False, repr=False)
    _is_open: bool = field(init=False, default=False, repr=False)
    _fitting: str | None = field(init=False, default=None, repr=False)
    _index: RecordIndex | None = field(init=False, default=None, repr=False)
    _services: TableServices = field(init=False, repr=False)
    _are_services_open: bool = field(init=False, default=False, repr=False)
    _service_seconds: Mapping[str, float] = field(init=False, default_factory=dict, repr=False)
    _observed: dict[str, Observed] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.table.base_path)
        self._index = RecordIndex.of(self.table)
        self._services = TableServices(self.table, job=self.job or self.table.table_name)
        self.catalog = CatalogSync.of(self.table, job=self.job or self.table.table_name)

    def open(self) -> None:
        """Make the table ready for this process: mend what a dead one left, and bring the ledger up to date.

        Raises:
            SinkError: The table can't be read or mended, or the lock is lost.
        """
        self._check_lock()
        repair(self.table.base_path)
        remove_scratch(self.table.base_path)
        self._are_services_open = False
        self.record()

    def fit(self, spark: SparkSession, columns: T.StructType) -> None:
        """Give the table's columns the types that rows with these columns need; without effect if it has them.

        Delivery: a commit of its own that replaces every file, or none.

        Raises:
            SchemaError: A column can't be stored, or has no place for what the table has of it: nothing was written.
            SinkError: The table can't be read or written.
        """
        # A deletion's mark is no column of the table.
        columns = T.StructType([field for field in columns.fields if field.name != IS_DELETED])
        if (wanted := columns.simpleString()) == self._fitting:
            return
        evolution.check_columns(self.table, hudi.table_schema(spark, self.table), columns)
        evolution.widen(
            spark, self.table, columns, commit_metadata={"batch_id": "columns"}, settle=self._services.settle
        )
        self._fitting = wanted

    def commit(self, rows: DataFrame, metadata: Mapping[str, str], *, parallelism: int = 2) -> None:
        """Upsert `rows` and `metadata` in one commit, as `hudi.upsert`; `record` it then.

        Raises:
            SchemaError: As `fit`.
            SinkError: The lock is lost, or another process has committed meanwhile: nothing was written. Or the write
                failed: the timeline knows whether the commit happened.
        """
        self._check_lock()
        if self._is_open and (foreign := self._ledger.follow()):
            message = (
                f"table '{self.table.table_name}' at {self.table.base_path}: commit {foreign[-1].instant} (batch "
                f"'{foreign[-1].batch_id}') is not of this process, expected none since its own last one. Nothing of "
                "the batch in hand was written. Two jobs must not write one table: stop one of them."
            )
            raise SinkError(message, retryable=True)
        if not self._are_services_open:
            self._services.open(rows.sparkSession)
            self._are_services_open = True
        self.fit(rows.sparkSession, rows.schema)
        metadata = {**metadata, **services_metadata(self._service_seconds), **self.catalog.said()}
        started = time.monotonic()
        hudi.upsert(rows, self.table, commit_metadata=metadata, parallelism=parallelism, index=self._index)
        seconds, now_ms = time.monotonic() - started, round(time.time() * 1000)
        self._observed = {metadata.get("batch_id", ""): Observed(now_ms, seconds)}

    def record(self) -> Observed:
        """Write what the newest commits say into the ledger, and what was observed of the newest; return the latter.

        Delivery: the commit wins; whatever is missing is written by the next call, also that of another process. What
            was observed is lost with the process.

        Raises:
            SinkError: The ledger can't be written; the commit stands.
        """
        added = self._ledger.follow(self._observed)
        self._is_open = True
        self.catalog.committed(self._ledger.timeline)
        return Observed.from_dict(added[-1].observed) if added else Observed()

    def serve(self, spark: SparkSession) -> None:
        """Plan the table's services that are due after a commit, which are carried out beside those that follow."""
        self._services.after_commit(spark)

    def service_seconds(self) -> Mapping[str, float]:
        """Return how long services took since this was asked, by names such as `waited.planning`.

        The next commit says it too.
        """
        self._service_seconds = self._services.take_seconds()
        return self._service_seconds

    def finish(self) -> None:
        """Wait for what is carried out of the table's services, and for the catalog; for each within bounds."""
        self._services.finish()
        self.catalog.finish()

    def _check_lock(self) -> None:
        if self.lock is not None:
            self.lock.check()
