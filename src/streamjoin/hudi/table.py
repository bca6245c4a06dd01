"""What a Hudi table is, and the options that every write of it has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from streamjoin.hudi.timeline import COMMIT_METADATA_PREFIX

# A query of a path makes a table of this kind, and does without pydantic.
if TYPE_CHECKING:
    from streamjoin.config.catalog_stages import GlueSettings

ServedBy: TypeAlias = Literal["commit", "job", "maintain"]

DEFAULT_BUCKETS = 4
"""Of a merge-on-read table without partitions. Each partition of another one has a bucket: fewer files a commit."""
# A file of so many rows is written, and compacted, in seconds.
_ROWS_PER_BUCKET = 2_000_000
# A batch of a few thousand rows writes into nearly every bucket.
_MOST_BUCKETS = 256
# What a commit writes again of a table without partitions, at most, for each file that it touches: the larger, the
# fewer files readers open, and the more a batch of a few thousand rows costs.
_FILE_BYTES = 32 * 1024 * 1024
_MOST_FILE_BYTES = 128 * 1024 * 1024
# Of a row of a dozen columns; so large are files that such a table has about a thousand.
_BYTES_PER_ROW = 100
_EXPECTED_FILES = 1_000
# A year of days.
_EXPECTED_PARTITIONS = 365

# Every table, whatever reads it. Table version 6 is the newest that Athena reads (Hudi 0.14 and 0.15 tables); the
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
    # that a rollback leaves come back to life when their instant is archived (tests/spark/hudi/test_hudi_torn.py).
    "hoodie.rollback.using.markers": "false",
}

# Where the speed comes from; a user's option may replace each of them.
_DEFAULT_SETTINGS = {
    "hoodie.write.markers.type": "DIRECT",
    "hoodie.embed.timeline.server": "false",
    # A frame of an older schema: its rows have nulls in the columns that the table has got since.
    "hoodie.write.set.null.for.missing.columns": "true",
    # Old file versions and old commits are removed every tenth commit, not in every one.
    "hoodie.clean.max.commits": "10",
    "hoodie.clean.commits.retained": "20",
    "hoodie.keep.min.commits": "40",
    "hoodie.keep.max.commits": "60",
    "hoodie.parquet.compression.codec": "snappy",
}
# Rows of a copy-on-write table are written as Spark's: a file then says which calendar its dates have. In a log they
# stay Avro's, which readers of Hudi 0.15 need. Hudi 0.15 doesn't know the option. See docs/adr/0027-rows-as-sparks.md.
_SPARK_ROWS = {
    "hoodie.write.record.merge.custom.implementation.classes": "org.apache.hudi.DefaultSparkRecordMerger",
}
# A row that moves is read from its base file as Avro's, which fails on arrays in a file that was written as Spark's.
_AVRO_ROWS = {
    "hoodie.datasource.write.row.writer.enable": "false",
    "hoodie.file.group.reader.enabled": "false",
}
# By either a user says how Hudi is to find rows.
_INDEX_OPTIONS = frozenset({"hoodie.index.type", "hoodie.bucket.index.num.buckets"})
_MERGE_ON_READ_SETTINGS = {
    "hoodie.compact.inline": "true",
    "hoodie.compact.inline.max.delta.commits": "20",
}


def is_global(index_type: str) -> bool:
    """Tell whether an index finds a row by its key alone, in whatever partition it is."""
    return index_type.startswith("GLOBAL_") or index_type == "RECORD_INDEX"


@dataclass(frozen=True)
class HudiTable:
    """What a table is, as the writer has to know it.

    Args:
        base_path: Where the table lies: `s3://…`, `file:/…` or a local path.
        table_name: Its name in the timeline and the catalog.
        record_key: The columns that identify a row.
        ordering: The column by which the newer of two rows is told: a bigint, or text that is ordered as text.
        partition_by: Partition columns; empty: not partitioned.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        database: Its database in the catalog.
        options: More `hoodie.*` options.
        is_fixed: Whether the partition of a record key never changes, though it doesn't follow from the key.
        expected_rows: How many rows it will have; None: not known.
        served_by: Who compacts and cleans: Hudi within its commits, the job beside them, or `streamjoin maintain`.
        glue: How it is entered in the Glue Data Catalog; None: it is not.
    """

    base_path: str
    table_name: str
    record_key: tuple[str, ...]
    ordering: str
    partition_by: tuple[str, ...] = ()
    table_type: str = "COPY_ON_WRITE"
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    is_fixed: bool = False
    expected_rows: int | None = None
    served_by: ServedBy = "commit"
    glue: "GlueSettings | None" = None

    def writer_options(self, parallelism: int) -> dict[str, str]:
        """Return the options of one write.

        Args:
            parallelism: Tasks of a shuffle; follows the size of the batch, not Hudi's default of 200.
        """
        names = {"hoodie.database.name": self.database} if self.database else {}
        shuffles = ("upsert", "insert", "bulkinsert", "delete")
        return {
            **_DEFAULT_SETTINGS,
            **(_MERGE_ON_READ_SETTINGS if self.merges_on_read else {}),
            **{f"hoodie.{kind}.shuffle.parallelism": str(parallelism) for kind in shuffles},
            # Of the batch's rows that may move to another partition: Hudi's default is 60 tasks, however few they are.
            "hoodie.global.index.reconcile.parallelism": str(parallelism),
            **self._index(),
            # Hudi gives every file 430 kB of it, however few its rows are; a bloom index alone asks it.
            "hoodie.parquet.bloom.filter.enabled": str("BLOOM" in self.index_type.upper()).lower(),
            **self.options,
            **_TABLE_SETTINGS,
            "hoodie.table.services.enabled": str(self.served_by == "commit").lower(),
            **self._form_of_rows(),
            **names,
            "hoodie.table.name": self.table_name,
            "hoodie.datasource.write.table.type": self.table_type,
            "hoodie.datasource.write.recordkey.field": ",".join(self.record_key),
            "hoodie.datasource.write.precombine.field": self.ordering,
            **self._key_generator(),
        }

    @property
    def merges_on_read(self) -> bool:
        """Whether readers merge a row with what is there; copy-on-write merges them when it is written."""
        return self.table_type == "MERGE_ON_READ"

    @property
    def tells_files(self) -> bool:
        """Whether our index tells Hudi in which file each row is: that of a copy-on-write table without partitions.

        See docs/adr/0038-told-files.md.
        """
        return not self.merges_on_read and not self.partition_by and not _INDEX_OPTIONS & self.options.keys()

    @property
    def file_bytes(self) -> int:
        """How large a file may be that is to take more rows, of a table that `tells_files`."""
        rows = self.expected_rows or 0
        default = max(_FILE_BYTES, min(_MOST_FILE_BYTES, rows * _BYTES_PER_ROW // _EXPECTED_FILES))
        return int(self.options.get("hoodie.parquet.max.file.size", default))

    @property
    def moves_rows(self) -> bool:
        """Whether a row that has got another partition is deleted from its old one."""
        return self.has_record_index or is_global(self.index_type)

    @property
    def has_record_index(self) -> bool:
        """Whether our index tells where rows are: in which file, or in which partition if they may move."""
        if self.tells_files:
            return True
        may_move = not self.is_fixed and not set(self.partition_by) <= set(self.record_key)
        return may_move and not is_global(self.index_type)

    @property
    def has_free_files(self) -> bool:
        """Whether rows may go to any file of their partition, so that small files can be joined.

        A bucket index has decided on each row's file, and our own index knows it.
        """
        return self.index_type.upper() != "BUCKET" and not self.has_record_index

    @property
    def keeps_avro_rows(self) -> bool:
        """Whether rows are Avro's all the way: those of a merge-on-read table whose rows Hudi moves (ADR 0027)."""
        return self.merges_on_read and is_global(self.index_type)

    @property
    def index_type(self) -> str:
        """How a row's file is found: the option of the user, else the default."""
        return {**self._index(), **self.options}["hoodie.index.type"]

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

    def _form_of_rows(self) -> dict[str, str]:
        if self.merges_on_read:
            return _AVRO_ROWS if self.keeps_avro_rows else {}
        return _SPARK_ROWS

    def _index(self) -> dict[str, str]:
        """Return the index: buckets by the hash of the key, whose cost doesn't grow with the table.

        It finds a key in its own partition only. A row that may move is found by our own record-level index, or by a
        global one of Hudi's if the user wants that. See docs/adr/0034-a-record-level-index-of-our-own.md.
        """
        if self.tells_files:
            # Hudi doesn't ask it. By its sizes of files Hudi would look into old commits for those of rows.
            return {
                "hoodie.index.type": "SIMPLE",
                "hoodie.parquet.small.file.limit": "0",
                "hoodie.parquet.max.file.size": str(self.file_bytes),
            }
        return {
            "hoodie.index.type": "BUCKET",
            "hoodie.bucket.index.num.buckets": str(self._buckets),
            "hoodie.simple.index.update.partition.path": "true",
            "hoodie.bloom.index.update.partition.path": "true",
            "hoodie.record.index.update.partition.path": "true",
        }

    @property
    def _buckets(self) -> int:
        if self.expected_rows is None:
            return 1 if self.partition_by else DEFAULT_BUCKETS
        parts = _EXPECTED_PARTITIONS if self.partition_by else 1
        return max(1, min(_MOST_BUCKETS, math.ceil(self.expected_rows / parts / _ROWS_PER_BUCKET)))
