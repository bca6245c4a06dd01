"""One table of the lake, as a writer of changes sees it: its rows, its columns so far, its commits."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.storage import open_path
from streamjoin.capture.changes.layouts import mark_latest, table_rows, to_rows
from streamjoin.capture.changes.schema import columns_in_table, found_columns, widened
from streamjoin.capture.config.tables import CaptureTableSettings
from streamjoin.capture.fitting import differs, fitted, is_same
from streamjoin.capture.layout import capture_layout, hudi_table
from streamjoin.capture.owner import Owner
from streamjoin.catalog.beside import CatalogSync
from streamjoin.errors import SchemaError
from streamjoin.history.figures import Files, newest_files
from streamjoin.hudi import evolution
from streamjoin.hudi import write as hudi
from streamjoin.hudi.conflict import conflicts
from streamjoin.hudi.late_changes import mark_late, removals
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.repair import repair
from streamjoin.hudi.scratch import remove_scratch
from streamjoin.hudi.table_folder import is_table
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.lock import TableLock
from streamjoin.records.change_columns import IS_DELETED, ITEM_KEY, ORDER
from streamjoin.records.events import Events
from streamjoin.schema.ddl import type_text
from streamjoin.schema.widening import as_stored
from streamjoin.services.table_services import TableServices
from streamjoin.spark.schema import to_arrow, to_spark

# How long the other writer of a table may take for its commit: a backfill's first one has all items of the table.
TURN_SECONDS: Final = 3600.0

log = logging.getLogger(__name__)


class CapturedTable:
    """A table that changes go to; `job: capture` and `job: backfill` may write it alternately.

    Invariant: `_columns` are those of the table as of the commit `_newest`, under its lock; None: there is no table.

    Args:
        settings: What the configuration says of it.
        job: The job's name, which another writer that waits is told.
        fixed_partition: That of all its rows: column -> value. Default: as the settings have it.
        owner: The capture job that the table belongs to; None: a backfill, which may write a table of any.
        turn_seconds: How long to wait for the table's other writer.
        tombstones: Makes those of a base path that count for so many hours.

    Attributes:
        name: The DynamoDB table.
        layout: What its rows are; with `undeclared: evolve` it gets more columns as they are found.
        table: The Hudi table.
        tombstones: Its removed items; None in layout changelog.
        services, catalog: What compacts and cleans it, and what enters it in its catalog.
    """

    def __init__(
        self,
        settings: CaptureTableSettings,
        *,
        job: str,
        fixed_partition: Mapping[str, str] | None = None,
        owner: Owner | None = None,
        turn_seconds: float = TURN_SECONDS,
        tombstones: Callable[[str, float], Tombstones] = Tombstones,
    ) -> None:
        self.name = settings.table_name
        self.layout = capture_layout(settings, fixed_partition)
        self.table = hudi_table(settings, self.layout)
        base_path = self.table.base_path
        self.tombstones = tombstones(base_path, settings.tombstone_hours) if self.layout.is_current else None
        self._job, self._turn_seconds, self._owner = job, turn_seconds, owner
        self._index = RecordIndex.of(self.table)
        self.services, self.catalog = TableServices(self.table, job=job), CatalogSync.of(self.table, job=job)
        self._columns: pa.Schema | None = None
        self._newest = ""
        self._refused: set[tuple[str, str]] = set()

    def open(self, spark: SparkSession) -> None:
        """Make the table ready for this process: mend what a dead one left, and learn what it has.

        Raises:
            SinkError: Another capture job owns it, it can't be read or mended, or the other writer doesn't end.
            SchemaError: It has a column whose type doesn't go with the declared one.
        """
        with self.turn():
            self._take_ownership()
            repair(self.table.base_path)
            remove_scratch(self.table.base_path)
            self.services.open(spark)
            self._learn(spark)
        if self.tombstones is not None:
            self.tombstones.open()
        self._fitting(self.layout.row_schema)

    @contextmanager
    def turn(self) -> Iterator[TableLock]:
        """Hold the table's lock; waits for the other writer's commit.

        Raises:
            SinkError: It took too long.
        """
        with TableLock(self.table.base_path, job=self._job, wait_seconds=self._turn_seconds) as lock:
            yield lock

    def rows(self, changes: Events, batch_id: str) -> Events:
        """Make rows of the table's changes; with `undeclared: evolve` of whatever attributes they have.

        Columns in: those of `read_changes`.
        Columns out: those of the layout's rows. `_superseded` is true of all but the newest change of an item, and of
            a change that came after its item was removed.
        Delivery: if a column's type has to widen, the table is rewritten, in a commit of its own.

        Raises:
            SinkError: The table can't be rewritten.
        """
        if self.layout.undeclared == "evolve":
            found = found_columns(changes, self.layout)
            self._widen(changes.frame.sparkSession, found, batch_id)
        rows = mark_latest(to_rows(changes, self.layout), self.layout)
        return self._without_late(rows)

    def latest(self, rows: Events) -> DataFrame:
        """Return what is to be committed of `rows`. Columns out: those of the layout's rows."""
        return table_rows(rows, self.layout)

    def removed(self, rows: DataFrame) -> pa.Table:
        """Return the removed items among `rows`, for `commit`."""
        return removals(rows, F.col(ITEM_KEY), F.col(ORDER))

    def commit(
        self,
        rows: DataFrame,
        removed: pa.Table | None,
        metadata: Mapping[str, str],
        *,
        parallelism: int = 2,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> Files:
        """Write tombstones, then upsert `rows` in one commit that carries `metadata`; return what files it wrote.

        Columns in: those of the layout's rows; columns that the table has beside them become null.
        Delivery: each step can be repeated. A tombstone without its commit does no harm: the REMOVE comes again.

        Args:
            rows: One row a record key.
            removed: The removed items among them; None: there is none.
            metadata: Texts that are stored in the commit.
            parallelism: Tasks of a shuffle.
            on_step: Called with the name of each step that has been done.

        Raises:
            SinkError: A write failed; the table's timeline knows whether the commit happened.
        """
        spark = rows.sparkSession
        with self.turn() as lock:
            self._take_ownership()
            self._catch_up(spark)
            target = self.fitting(rows)
            if self._columns is not None and differs(self._columns, target):
                lock.check()
                self._replace(spark, target, metadata)
            if removed is not None and self.tombstones is not None:
                self.tombstones.add(removed, metadata["batch_id"])
            on_step("tombstones_written")
            lock.check()
            hudi.upsert(
                fitted(rows, target), self.table, commit_metadata=metadata, parallelism=parallelism, index=self._index
            )
            self._take_ownership()
            self._columns = target
            timeline, files = newest_files(self.table.base_path)
            self._newest = timeline.newest
            self.services.after_commit(spark)
        self.catalog.committed(timeline)
        return files

    def fitting(self, rows: DataFrame) -> pa.Schema:
        """Return the table's columns, once `rows` are in it.

        Raises:
            SchemaError: A column's type doesn't go with the table's.
        """
        return self._fitting(to_arrow(rows.schema))

    def _take_ownership(self) -> None:
        """Write whose the table is, once it is there; a folder before it would make its creation slower."""
        if self._owner is not None and is_table(self.table.base_path):
            self._owner.claim(self.table.base_path)
            self._owner = None
        elif self._owner is not None:
            self._owner.check(self.table.base_path)

    def _widen(self, spark: SparkSession, found: pa.Schema, batch_id: str) -> None:
        """Give layout and table the columns that were found, as far as the values that are there have a place in them.

        What the table's other writer has added meanwhile stays.
        """
        known = {field.name: field for field in self.layout.columns}

        def is_taken(field: "pa.Field[Any]") -> bool:
            before = known.get(field.name)
            return before is None or is_same(field, before) or self._grow(spark, field, batch_id)

        wanted = widened(self.layout.columns, found)
        taken = pa.schema([field for field in wanted if is_taken(field)])
        self.layout = replace(self.layout, columns=widened(self.layout.columns, taken))

    def _grow(self, spark: SparkSession, field: "pa.Field[Any]", batch_id: str) -> bool:
        """Give one column of the table another type; return False if a value that is in it has no place there.

        Then the column stays as it is, and what doesn't fit into it becomes a dead letter.
        """
        column, growth = self.layout.column_of(field.name), (field.name, type_text(field.type))
        if growth in self._refused:
            return False
        try:
            with self.turn():
                self._catch_up(spark)
                if self._columns is None or column not in self._columns.names:
                    return True
                target = widened(self._columns, pa.schema([pa.field(column, field.type)]))
                self._replace(spark, target, {"batch_id": batch_id})
                self._learn(spark)
        except SchemaError as error:
            log.warning("%s What does not fit into the column as it is becomes a dead letter.", error)
            self._refused.add(growth)
            return False
        return True

    def _replace(self, spark: SparkSession, columns: pa.Schema, metadata: Mapping[str, str]) -> None:
        evolution.widen(spark, self.table, to_spark(columns), commit_metadata=metadata, settle=self.services.settle)

    def _without_late(self, rows: Events) -> Events:
        if self.tombstones is None:
            return rows
        return mark_late(rows, self.tombstones, F.col(ITEM_KEY), F.col(ORDER))

    def _catch_up(self, spark: SparkSession) -> None:
        """Take in what the table's other writer has committed: its columns may be more."""
        if Timeline.read(*open_path(self.table.base_path)).newest != self._newest:
            self._learn(spark)

    def _learn(self, spark: SparkSession) -> None:
        """Take in the table's columns; those of attributes that were found earlier belong to the layout."""
        self._newest = Timeline.read(*open_path(self.table.base_path)).newest
        stored = hudi.table_schema(spark, self.table)
        self._columns = None if stored is None else to_arrow(stored)
        at = f"'{self.name}': "
        if differing := conflicts(self.table, at=f"{at}sink.hudi", rows=f"{at}layout"):
            both = (
                "capture and backfill have the same settings, and a backfill's fixed_partition is among its partitions"
            )
            message = f"{'; '.join(differing)}: {both}"
            raise SchemaError(message)
        if self._columns is None or self.layout.undeclared != "evolve":
            return
        found = columns_in_table(self.layout, self._columns)
        self.layout = replace(self.layout, columns=widened(found, self.layout.columns))

    def _fitting(self, rows: pa.Schema) -> pa.Schema:
        """Return the table's columns, once rows of these columns are in it.

        Raises:
            SchemaError: A column's type doesn't go with the table's.
        """
        new = [field for field in as_stored(rows) if field.name != IS_DELETED]
        if self._columns is None:
            return pa.schema(new)
        there = {field.name: field for field in self._columns}
        asked = [field for field in new if field.name in there and not is_same(field, there[field.name])]
        grown = widened(self._columns, pa.schema(asked))
        # Either type may be the wider one: the table's, if the other writer has met larger values.
        reached = widened(pa.schema(asked), pa.schema([there[field.name] for field in asked]))
        for field in reached:
            if not is_same(field, grown.field(field.name)):
                raise self._misfit(there[field.name], rows.field(field.name))
        return pa.schema([*grown, *(field for field in new if field.name not in there)])

    def _misfit(self, there: "pa.Field[Any]", asked: "pa.Field[Any]") -> SchemaError:
        message = (
            f"table '{self.table.table_name}' at {self.table.base_path}: column '{there.name}' is "
            f"{type_text(there.type)} there, {type_text(asked.type)} by the schema of '{self.name}', "
            "and neither type holds all values of the other. Declare the table's type, or give the attribute another "
            "column by rename."
        )
        # Columns that were found may be those of the other writer when the table is opened again.
        return SchemaError(message, retryable=self.layout.undeclared == "evolve")
