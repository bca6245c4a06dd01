"""Rejected records, each kept with its bytes, where it came from and why, until it is re-driven."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, Self

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.aws.storage import as_hadoop_path, open_path
from streamjoin.catalog.beside import CatalogSync
from streamjoin.config.catalog_stages import GlueSettings, entry_settings
from streamjoin.config.sink_stages import DeadLetterSettings
from streamjoin.errors import SinkError
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.table_folder import properties_of
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import COMMIT_METADATA_PREFIX, HudiTable, root_cause, upsert
from streamjoin.letters.columns import ARRIVED, DAY_COLUMN, DETAIL, ID_COLUMN, NO_DAY, REASON, has_commit
from streamjoin.spark.schema import RECORD_STRUCT

_WRITTEN_ORDER = "_ordering_us"
# Under this key a commit says whose letters they are; JSON.
_OWNER = "letters_of"
_SCHEMA = T.StructType(
    [
        *RECORD_STRUCT.fields,
        T.StructField(REASON, T.StringType()),
        T.StructField(DETAIL, T.StringType()),
        T.StructField(ID_COLUMN, T.StringType()),
        T.StructField(DAY_COLUMN, T.StringType()),
        T.StructField(_WRITTEN_ORDER, T.LongType()),
    ]
)


def letter_id(record: str | None = None) -> Column:
    """Return what a dead letter is known by: its place in the stream, or its content if there is no place.

    Args:
        record: The struct that has the columns of a record. Default: the frame has them itself.
    """

    def of(name: str) -> Column:
        return F.col(name if record is None else f"{record}.{name}")

    sub = of("sub_sequence_number").cast("string")
    place = F.concat_ws("/", of("stream"), of("shard_id"), of("sequence_number"), sub)
    content = F.sha2(F.coalesce(of("data"), F.lit(b"")), 256)
    return F.when(of("sequence_number").isNotNull(), place).otherwise(content)


# After every tombstone has expired.
_NEVER_US: Final = 2**62


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter table of one job: a Hudi table, partitioned by the day on which the record arrived.

    Args:
        base_path: Where the table lies.
        table_name: Its name.
        owner: The job's name, and where its positions are: by either a later start knows the letters for its own.
        database: Its database in the catalog.
        glue: How it is entered in the Glue Data Catalog; None: it is not.
    """

    base_path: str
    table_name: str
    owner: tuple[str, str] | None = None
    database: str = "default"
    glue: GlueSettings | None = None

    @classmethod
    def of(cls, settings: DeadLetterSettings, table_name: str, owner: tuple[str, str]) -> Self:
        """Return the table that a configuration describes, called `table_name` with `_dead_letters` behind it."""
        glue = entry_settings(settings.catalog, settings.glue)
        return cls(settings.base_path, f"{table_name}_dead_letters", owner, settings.database, glue)

    @cached_property
    def catalog(self) -> CatalogSync:
        """What enters the table in its catalog."""
        # The database is no property of the table itself: those that were made before had none.
        table = replace(self._table(), database=self.database, glue=self.glue)
        return CatalogSync.of(table, job=self.owner[0] if self.owner else self.table_name)

    def conflicts(self) -> list[str]:
        """Return why the job can't keep its letters here: those of another one are here.

        They are known by their place in the stream. Of two jobs with one stream either would delete the other's.

        Raises:
            SinkError: What is there can't be read.
        """
        timeline = Timeline.read(*open_path(self.base_path))
        owners = ((timeline.metadata(instant) or {}).get(_OWNER) for instant in sorted(timeline.commits, reverse=True))
        theirs = json.loads(next((owner for owner in owners if owner), "null"))
        if self.owner and theirs and not set(self.owner) & set(theirs):
            found = f"the job '{theirs[0]}' with its positions at {theirs[1]}"
        else:
            name = (properties_of(self.base_path) or {}).get("hoodie.table.name", self.table_name)
            if name == self.table_name:
                return []
            found = f"the table '{name}', expected '{self.table_name}'"
        return [
            f"dead_letters.base_path: found {self.base_path}, which has the dead letters of another job: {found}; give "
            "each job a path of its own"
        ]

    def write(self, rejected: DataFrame, *, batch_id: str, parallelism: int = 1) -> None:
        """Upsert the rejected records of a batch.

        Columns in: those of a record, `reason`, `detail`.
        Columns out: the same, `dead_letter_id`, `dt` (day of arrival, UTC), `_ordering_us`.
        Delivery: at least once, before the batch's commit; a row is known by stream, shard and sequence numbers, so
            that writing it again changes nothing. A record without a place is known by its batch and its content, and
            of several that are alike in one batch by a number.

        Raises:
            SinkError: The write failed; the batch must not be committed.
        """
        arrived, has_place = F.col(ARRIVED), F.col("sequence_number").isNotNull()
        alike = F.row_number().over(Window.partitionBy(letter_id()).orderBy(REASON))
        without_place = F.concat_ws("/", letter_id(), F.lit(batch_id), alike.cast("string"))
        rows = rejected.withColumns(
            {
                ID_COLUMN: F.when(has_place, letter_id()).otherwise(without_place),
                DAY_COLUMN: F.coalesce(F.date_format(arrived, "yyyyMMdd"), F.lit(NO_DAY)),
                _WRITTEN_ORDER: F.coalesce(F.unix_micros(arrived), F.lit(0).cast("bigint")),
            }
        )
        upsert(rows, self._table(), commit_metadata=self._metadata(batch_id), parallelism=parallelism)
        self.catalog.committed()

    def read(self, spark: SparkSession) -> DataFrame:
        """Return the dead letters as of now; none if none was ever written.

        Columns out: those of a record, `reason`, `detail`, `dead_letter_id`, `dt`, `_ordering_us`.
        """
        if not has_commit(self.base_path):
            return spark.createDataFrame([], _SCHEMA)
        return stored_rows(spark, self.base_path).select(*_SCHEMA.names)

    def oldest_arrival(self, spark: SparkSession) -> datetime | None:
        """Return when the oldest record among the dead letters arrived; None: there is none of a known time."""
        if not has_commit(self.base_path):
            return None
        found = self.read(spark).agg(F.min(ARRIVED)).head()
        oldest: datetime | None = found[0] if found is not None else None
        return oldest

    def oldest_arrival_us(self, spark: SparkSession) -> int:
        """Return the same in microseconds since 1970; if there is none, a time after which no tombstone counts."""
        oldest = self.oldest_arrival(spark)
        return _NEVER_US if oldest is None else round(oldest.timestamp() * 1_000_000)

    def delete(self, spark: SparkSession, ids: Sequence[str], *, batch_id: str, parallelism: int = 1) -> None:
        """Delete the dead letters of these ids; the others stay as they are.

        Delivery: one commit, or none. Those that are gone already are passed over, so that it can be repeated.

        Raises:
            SinkError: The write failed.
        """
        wanted = spark.createDataFrame([(each,) for each in ids], f"{ID_COLUMN} string")
        columns = (ID_COLUMN, DAY_COLUMN, _WRITTEN_ORDER)
        found = self.read(spark).select(*columns).join(F.broadcast(wanted), ID_COLUMN, "left_semi")
        options = self._table().writer_options(parallelism)
        changed: Mapping[str, str] = {
            "hoodie.datasource.write.operation": "delete",
            **{f"{COMMIT_METADATA_PREFIX}{key}": value for key, value in self._metadata(batch_id).items()},
        }
        try:
            if found.isEmpty():
                return
            found.write.format("hudi").options(**{**options, **changed}).mode("append").save(
                as_hadoop_path(self.base_path)
            )
        except (PySparkException, Py4JError) as error:
            message = f"dead letters at {self.base_path}: {len(ids)} could not be deleted: {root_cause(error)}"
            raise SinkError(message, retryable=True) from error

    def _metadata(self, batch_id: str) -> dict[str, str]:
        return {"batch_id": batch_id, **({_OWNER: json.dumps(self.owner)} if self.owner else {})}

    def _table(self) -> HudiTable:
        return HudiTable(
            base_path=self.base_path,
            table_name=self.table_name,
            record_key=(ID_COLUMN,),
            ordering=_WRITTEN_ORDER,
            partition_by=(DAY_COLUMN,),
            # The day of arrival never changes, so that a row can't move to another partition.
            options={"hoodie.index.type": "BUCKET", "hoodie.bucket.index.num.buckets": "1"},
        )
