"""Hudi's own client for the services of one table: each of them planned, and each plan carried out, on its own.

Source: SparkRDDWriteClient of Hudi 0.15.0 and 1.0.2. On table version 6 a compaction may go on while rows are
written: from its plan on they go into logs that the plan doesn't have.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import fastavro
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamjoin.aws.small_objects import get_object
from streamjoin.aws.storage import as_hadoop_path, open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.services.due import megabytes_of
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Timeline, in_turn
from streamjoin.hudi.write import root_cause
from streamjoin.spark.parquet import set_parquet

_TARGET: Final = "hoodie.compaction.target.io"
_FILE_MEGABYTES: Final = 64
_APART_MEGABYTES: Final = 1024
# What the first step of a round left: file groups that have many logs, not those that have been compacted meanwhile.
_STRATEGIES: Final = "org.apache.hudi.table.action.compact.strategy"
_JOINING: Final = {
    "hoodie.clustering.plan.strategy.small.file.limit": str(100 * 1024**2),
    "hoodie.clustering.plan.strategy.target.file.max.bytes": str(120 * 1024**2),
    "hoodie.clustering.plan.strategy.max.bytes.per.group": str(512 * 1024**2),
    "hoodie.clustering.plan.strategy.max.num.groups": "1",
    # A file alone would be written again and again.
    "hoodie.clustering.plan.strategy.single.group.clustering.enabled": "false",
}


@dataclass(frozen=True)
class Planned:
    """A compaction's plan.

    Args:
        instant: Its instant.
        is_whole: Whether it has all that is to be compacted; else a further one is due once it is done.
    """

    instant: str
    is_whole: bool


class ServiceClient:
    """Plans and carries out services of a table.

    Planning, archiving and joining files are for the holder of the table's lock, while no commit is on its way. A
    compaction that is planned, and cleaning, are done by one process at a time, whoever writes meanwhile.

    Args:
        spark: The session.
        table: The table.
    """

    def __init__(self, spark: SparkSession, table: HudiTable) -> None:
        self._spark, self._table = spark, table
        self._jvm: Any = spark.sparkContext._jvm  # noqa: SLF001  (pyspark has no public way to it)

    def plan_compaction(self, *, goes_on: bool = False) -> Planned | None:
        """Plan one compaction of bounded size; None if none is due.

        Args:
            goes_on: Whether the last plan was not whole.

        Raises:
            SinkError: It can't be planned.
        """
        options = {_TARGET: str(self._target_megabytes()), **self._table.writer_options(1)}
        more = {_TARGET: options[_TARGET]}
        if goes_on:
            deltas = int(options["hoodie.compact.inline.max.delta.commits"])
            more |= {
                "hoodie.compact.inline.max.delta.commits": "1",
                "hoodie.compaction.strategy": f"{_STRATEGIES}.LogFileNumBasedCompactionStrategy",
                "hoodie.compaction.logfile.num.threshold": str(max(2, deltas // 2)),
            }
        instant = self._plan("COMPACT", "compaction", more)
        if instant is None:
            return None
        plan = self._avro(f"{instant}.compaction.requested")
        return Planned(instant, megabytes_of(plan) < float(options[_TARGET]))

    def compact(self, instant: str, before_commit: Callable[[], None] = lambda: None) -> int:
        """Carry out a planned compaction, from its beginning if one was broken off; return of how many files.

        Args:
            instant: That of the plan.
            before_commit: Called when the files are written, and don't count yet.

        Raises:
            SinkError: It failed; it is to be done again.
        """
        with self._client("compaction", {}) as client:
            metadata = client.compact(instant).getCommitMetadata().get()
            with in_turn(self._table.base_path):
                before_commit()
                client.commitCompaction(instant, metadata, self._nothing())
            return int(metadata.getWriteStats().size())

    def clean(self) -> int:
        """Delete files that no reader needs any more, also those of a cleaning that was broken off; return how many.

        Raises:
            SinkError: It failed; it is to be done again.
        """
        with self._client("cleaning", {}) as client:
            found = client.clean()
            return 0 if found is None else int(found.getTotalFilesDeleted())

    def archive(self) -> None:
        """Take old commits out of the timeline.

        Raises:
            SinkError: It failed; what was not archived is left.
        """
        with self._client("archiving", {}) as client:
            client.archive()

    def join_files(self, *, is_asked: bool) -> int:
        """Join small files of a table; return how many there were.

        Args:
            is_asked: Whether now, whenever it was done the last time.

        Raises:
            SinkError: It failed; no file was replaced.
        """
        asked = {"hoodie.clustering.inline.max.commits": "1"} if is_asked else {}
        options = {**_JOINING, **self._table.options, **asked, "hoodie.clustering.inline": "true"}
        instant = self._plan("CLUSTER", "clustering", options)
        if instant is None:
            return 0
        return self._join(instant, options)

    def finish_joining(self, instant: str) -> int:
        """Do again what was broken off of a joining of files; return how many there were, 0 if it is something else.

        Until then no row of these files can be written.

        Raises:
            SinkError: It failed.
        """
        plan = self._avro(f"{instant}.replacecommit.requested")
        return self._join(instant, {}) if plan.get("operationType") == "CLUSTER" else 0

    def _join(self, instant: str, options: Mapping[str, str]) -> int:
        with self._client("clustering", options) as client:
            metadata = client.cluster(instant, True).getCommitMetadata().get()
            return sum(len(files) for files in metadata.getPartitionToReplaceFileIds().values())

    def _avro(self, name: str) -> Mapping[str, Any]:
        """Return what a file of the timeline says; nothing if it isn't there, or empty."""
        filesystem, root = open_path(self._table.base_path)
        content = get_object(filesystem, f"{root}/.hoodie/{name}")
        found: Any = next(fastavro.reader(io.BytesIO(content)), {}) if content else {}
        return cast(Mapping[str, Any], found)

    def _target_megabytes(self) -> int:
        """Return what one compaction is to read and write: on two cores one file, of however many megabytes.

        Spark takes no core away from a task. So beside the batches of a job a compaction gets half of the cores.
        """
        if self._table.served_by == "maintain":
            return _APART_MEGABYTES
        return max(1, _FILE_MEGABYTES * (self._spark.sparkContext.defaultParallelism // 2 - 1))

    def _plan(self, kind: str, name: str, more: Mapping[str, str]) -> str | None:
        with self._client(name, more) as client:
            service = getattr(self._jvm.org.apache.hudi.common.model.TableServiceType, kind)
            found = client.scheduleTableService(self._nothing(), service)
            return str(found.get()) if found.isPresent() else None

    def _nothing(self) -> Any:
        return self._jvm.org.apache.hudi.common.util.Option.empty()

    @contextmanager
    def _client(self, name: str, more: Mapping[str, str]) -> Iterator[Any]:
        table = self._table
        options = {
            **table.writer_options(self._spark.sparkContext.defaultParallelism),
            "hoodie.table.services.enabled": "true",
            **more,
            # Each is done when it is asked for, not beside another one.
            "hoodie.compact.inline": "false",
        }
        set_parquet(self._spark)
        schema = Timeline.read(*open_path(table.base_path)).schema()
        try:
            java = self._jvm.java.util.HashMap()
            for key, value in options.items():
                java.put(key, value)
            context = self._spark.sparkContext._jsc  # noqa: SLF001
            client = self._jvm.org.apache.hudi.DataSourceUtils.createHoodieClient(
                context, schema, as_hadoop_path(table.base_path), table.table_name, java
            )
            try:
                yield client
            finally:
                client.close()
        except (PySparkException, Py4JError, OSError) as error:
            message = f"table '{table.table_name}' at {table.base_path}: its {name} failed: {root_cause(error)}"
            raise SinkError(message, retryable=True) from error
