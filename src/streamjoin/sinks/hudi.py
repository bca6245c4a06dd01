"""Upserts into an Apache Hudi table; the commit carries the batch's metadata, so that both happen or neither."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from py4j.protocol import Py4JError
from pyarrow import fs
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.errors import SinkError
from streamjoin.sinks.repair import repair
from streamjoin.storage import as_hadoop_path, open_path

log = logging.getLogger(__name__)

COMMIT_METADATA_PREFIX = "streamjoin."
DEFAULT_BUCKETS = 4

# Every table, whoever reads it. Table version 6 is the newest that Athena reads (Hudi 0.14 and 0.15 tables); the
# metadata table doubled the time of a commit on it. See docs/adr/0003-hudi-settings.md for what was measured.
_TABLE_SETTINGS = {
    "hoodie.datasource.write.operation": "upsert",
    "hoodie.write.table.version": "6",
    "hoodie.write.auto.upgrade": "false",
    "hoodie.metadata.enable": "false",
    "hoodie.datasource.write.hive_style_partitioning": "true",
    # A value with a slash in it must not make a folder of its own.
    "hoodie.datasource.write.partitionpath.urlencode": "true",
    "hoodie.datasource.write.commitmeta.key.prefix": COMMIT_METADATA_PREFIX,
    # Greater ordering wins, equal: the later batch, lower: ignored.
    "hoodie.write.record.merge.mode": "EVENT_TIME_ORDERING",
    "hoodie.datasource.write.payload.class": "org.apache.hudi.common.model.DefaultHoodieRecordPayload",
    # The frame has one row a key already.
    "hoodie.combine.before.upsert": "false",
    # What a dead process wrote is found by listing, not by markers: those may be gone after a power failure, and files
    # that a rollback leaves come back to life when their instant is archived (tests/spark/sinks/test_hudi_torn.py).
    "hoodie.rollback.using.markers": "false",
}

# Fixed when a table is created; Hudi refuses another value later. Instants are times of day: by a local clock they go
# back when summer ends, and when the job moves to a machine in another zone. Then the newest commit would not be the
# last in the timeline.
_CREATION_SETTINGS = {"hoodie.table.timeline.timezone": "UTC"}

# Where the speed comes from; a user's option may replace each of them.
_DEFAULT_SETTINGS = {
    "hoodie.write.markers.type": "DIRECT",
    "hoodie.embed.timeline.server": "false",
    "hoodie.bucket.index.num.buckets": str(DEFAULT_BUCKETS),
    # Old file versions and old commits are removed every tenth commit, not in every one.
    "hoodie.clean.max.commits": "10",
    "hoodie.clean.commits.retained": "20",
    "hoodie.keep.min.commits": "40",
    "hoodie.keep.max.commits": "60",
    "hoodie.parquet.compression.codec": "snappy",
}
_MERGE_ON_READ_SETTINGS = {
    "hoodie.compact.inline": "true",
    "hoodie.compact.inline.max.delta.commits": "20",
}


@dataclass(frozen=True)
class HudiTable:
    """What a table is, as the writer has to know it.

    Args:
        base_path: Where the table lies: `s3://…`, `file:/…` or a local path.
        table_name: Its name in the timeline and the catalog.
        record_key: The columns that identify a row.
        ordering: The bigint column by which the newer of two rows is told.
        partition_by: Partition columns; empty: not partitioned.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        database: Its database in the catalog.
        options: More `hoodie.*` options.
    """

    base_path: str
    table_name: str
    record_key: tuple[str, ...]
    ordering: str
    partition_by: tuple[str, ...] = ()
    table_type: str = "COPY_ON_WRITE"
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def writer_options(self, parallelism: int) -> dict[str, str]:
        """Return the options of one write.

        Args:
            parallelism: Tasks of a shuffle; follows the size of the batch, not Hudi's default of 200.
        """
        names = {"hoodie.database.name": self.database} if self.database else {}
        shuffles = ("upsert", "insert", "bulkinsert", "delete")
        return {
            **_DEFAULT_SETTINGS,
            **(_MERGE_ON_READ_SETTINGS if self.table_type == "MERGE_ON_READ" else {}),
            **{f"hoodie.{kind}.shuffle.parallelism": str(parallelism) for kind in shuffles},
            **self._index(),
            **self.options,
            **_TABLE_SETTINGS,
            **names,
            "hoodie.table.name": self.table_name,
            "hoodie.datasource.write.table.type": self.table_type,
            "hoodie.datasource.write.recordkey.field": ",".join(self.record_key),
            "hoodie.datasource.write.precombine.field": self.ordering,
            **self._key_generator(),
        }

    def _key_generator(self) -> dict[str, str]:
        """Return the key generator: one whose encoding is the same in all Hudi versions.

        `ComplexKeyGenerator` with one key field writes `value` or `field:value`, depending on the version.
        """
        if not self.partition_by:
            kind, path = "NonpartitionedKeyGenerator", ""
        elif len(self.record_key) == len(self.partition_by) == 1:
            kind, path = "SimpleKeyGenerator", self.partition_by[0]
        else:
            kind, path = "CustomKeyGenerator", ",".join(f"{column}:SIMPLE" for column in self.partition_by)
        return {
            "hoodie.datasource.write.keygenerator.class": f"org.apache.hudi.keygen.{kind}",
            "hoodie.datasource.write.partitionpath.field": path,
        }

    def _index(self) -> dict[str, str]:
        """Return the index: a bucket index where a row can't change its partition, else a global one.

        A bucket index finds a key in its own partition only; a row that moved would be there twice.
        """
        if set(self.partition_by) <= set(self.record_key):
            return {"hoodie.index.type": "BUCKET"}
        return {
            "hoodie.index.type": "GLOBAL_SIMPLE",
            "hoodie.simple.index.update.partition.path": "true",
            "hoodie.bloom.index.update.partition.path": "true",
            "hoodie.record.index.update.partition.path": "true",
        }


def upsert(rows: DataFrame, table: HudiTable, *, commit_metadata: Mapping[str, str], parallelism: int = 2) -> None:
    """Upsert `rows` in one commit that carries `commit_metadata`.

    Columns in: those of the table, with the record key, the partition columns and the ordering field; one row a key.
    Delivery: one commit, or none. Repeating it leaves the same rows: equal ordering replaces a row by itself. An empty
        frame commits too, for its metadata.

    Args:
        rows: The newest event of each record key.
        table: Where they go; created when missing.
        commit_metadata: Texts that are stored in the commit under `streamjoin.<key>`.
        parallelism: Tasks of a shuffle.

    Raises:
        SinkError: The write failed. Whether the commit happened is known only from the timeline: read it again.
    """
    metadata = {f"{COMMIT_METADATA_PREFIX}{key}": value for key, value in commit_metadata.items()}
    # A column that can't be null could never be added to a table that has rows.
    nullable = [
        F.when(F.lit(True), F.col(f"`{f.name}`")).alias(f.name) if not f.nullable else F.col(f"`{f.name}`")
        for f in rows.schema
    ]
    rows = rows.select(*nullable)
    try:
        options = table.writer_options(parallelism) | ({} if _exists(table.base_path) else _CREATION_SETTINGS)
        rows.write.format("hudi").options(**options, **metadata).mode("append").save(as_hadoop_path(table.base_path))
    except (PySparkException, Py4JError, OSError) as error:
        message = f"table '{table.table_name}' at {table.base_path}: the upsert failed: {root_cause(error)}"
        raise SinkError(message + _cleared(table.base_path), retryable=True) from error


def _exists(base_path: str) -> bool:
    filesystem, root = open_path(base_path)
    return filesystem.get_file_info(f"{root}/.hoodie/hoodie.properties").type == fs.FileType.File


def _cleared(base_path: str) -> str:
    """Remove what would make the next try fail too; return what to add to the message where that isn't possible."""
    try:
        _clear_unborn(base_path)
        repair(base_path)
    except (OSError, SinkError) as error:
        return f"; and what it left can't be looked at: {error}"
    return ""


def _clear_unborn(base_path: str) -> None:
    """Remove what a process left that died while it created the table; Hudi takes it for a broken table for ever.

    Only where there is no instant, so no row, and the table's properties were not written to their end.
    """
    filesystem, root = open_path(base_path)
    meta, properties = f"{root}/.hoodie", f"{root}/.hoodie/hoodie.properties"
    if filesystem.get_file_info(meta).type != fs.FileType.Directory:
        return
    names = [f.base_name for f in filesystem.get_file_info(fs.FileSelector(meta))]
    if any(name[:1].isdigit() for name in names):
        return
    if "hoodie.properties" in names:
        with filesystem.open_input_stream(properties) as stream:
            if b"hoodie.table.checksum=" in stream.read():
                return
    filesystem.delete_dir(meta)


def root_cause(error: Exception) -> str:
    """Return the first line of the innermost cause that Java gave, without its stack.

    Of what Spark raises while it computes rows only the error's class: its text quotes their values.
    """
    java = getattr(error, "java_exception", None)
    while java is not None:
        name = str(java.getClass().getName())
        if name.startswith("org.apache.spark.Spark") and java.getErrorClass() is not None:
            return f"{name}: [{java.getErrorClass()}]"
        if java.getCause() is None:
            break
        java = java.getCause()
    text = str(java.toString()) if java is not None else str(error)
    return (text.strip() or type(error).__name__).splitlines()[0][:500]
