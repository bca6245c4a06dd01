"""The dead letters that a redrive feeds in: which of them, and how many at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.history.entry import Entry
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.columns import ARRIVED, DAY_COLUMN, ID_COLUMN, REASON, stream_name
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.table import DeadLetters
from streamjoin.schema.columns import RECORD_FIELDS, SEQUENCE_NUMBER_DIGITS
from streamjoin.shards.position import QUERIES, TRIM_HORIZON, Position, PositionKind

_KIND, _AFTER, _SINCE_MS, _IS_UNREAD = "_position_kind", "_position_after", "_position_since_ms", "_is_unread"
_PLACE = f"shard_id string, {_KIND} string, {_AFTER} string, {_SINCE_MS} bigint"


@dataclass(frozen=True)
class Chunk:
    """Dead letters that are fed in together.

    Args:
        reasons: The reason of each, by its id.
        records: The records that they were. Columns as `schema.RECORD_SCHEMA`.
    """

    reasons: Mapping[str, str]
    records: DataFrame


@dataclass(frozen=True)
class LetterChunks:
    """The dead letters of one stream that were rejected by committed batches.

    One that lies after the position is of a batch that was not committed. The job will read its record again, and that
    batch says what becomes of it.

    Args:
        spark: The session.
        dead_letters: Where they are.
        position: The table's.
        letters: Which are meant.
        limits: What a chunk may hold at most.
    """

    spark: SparkSession
    dead_letters: DeadLetters
    position: Position
    letters: LetterFilter
    limits: BatchLimits

    def __iter__(self) -> Iterator[Chunk]:
        """Give each letter once, by id; those of a chunk may be deleted before the next is asked for."""
        after = ""
        while True:
            # Read again for each chunk: what is deleted meanwhile replaces the files that were there.
            left = self._meant().where(~F.col(_IS_UNREAD) & (F.col(ID_COLUMN) > after))
            reasons = self._first(left)
            if not reasons:
                return
            after = max(reasons)
            yield Chunk(reasons, left.where(F.col(ID_COLUMN) <= after).select(*RECORD_FIELDS))

    def count(self) -> int:
        """Return how many letters are given, if nothing is written meanwhile."""
        return self._meant().where(~F.col(_IS_UNREAD)).count()

    def unread(self) -> list[str]:
        """Return the ids of the letters that lie after the position."""
        return [str(row[0]) for row in self._meant().where(_IS_UNREAD).select(ID_COLUMN).collect()]

    def _first(self, left: DataFrame) -> dict[str, str]:
        """Return id and reason of so many letters as the limits allow, at least one."""
        size = F.coalesce(F.length("data"), F.lit(0)).alias("bytes")
        rows = left.select(ID_COLUMN, REASON, size).orderBy(ID_COLUMN).limit(self.limits.records).collect()
        reasons, total_bytes = dict[str, str](), 0
        for letter, reason, data_bytes in rows:
            total_bytes += data_bytes
            if reasons and total_bytes > self.limits.bytes:
                break
            reasons[letter] = reason
        return reasons

    def _meant(self) -> DataFrame:
        """Return the letters that are meant, marked if they lie after the position."""
        found = _of_stream(self.dead_letters.read(self.spark), self.position).where(_condition(self.letters))
        places = self.spark.createDataFrame(
            [
                (shard_id, place.kind.value, place.sequence_number, place.timestamp_ms)
                for shard_id, place in self.position.shards.items()
            ],
            _PLACE,
        )
        return found.join(F.broadcast(places), "shard_id", "left").withColumn(_IS_UNREAD, _is_unread())


def with_new_shards(
    spark: SparkSession, dead_letters: DeadLetters, entries: Callable[[], Iterable[Entry]], position: Position
) -> Position:
    """Return `position` with the shards that have dead letters but were read by no commit yet.

    A shard that the position doesn't know was drained long ago, or is new: the first batch that read it died.

    Args:
        spark: The session.
        dead_letters: Where they are.
        entries: Gives all commits of the job, which know which shards were ever read.
        position: The job's. Of streaming queries it says nothing of the records' own places: no letter is unread.
    """
    if position.stream == QUERIES:
        return Position(QUERIES, {})
    found = _of_stream(dead_letters.read(spark), position)
    # Unlike `distinct`, it needs no shuffle of a cluster's default of 200 tasks.
    shards = {str(shard_id) for (ids,) in found.agg(F.collect_set("shard_id")).collect() for shard_id in ids}
    new = shards - position.shards.keys()
    if new:
        new -= {read.shard_id for entry in entries() for read in entry.ranges}
    return Position(position.stream, {**position.shards, **dict.fromkeys(new, TRIM_HORIZON)})


def _of_stream(letters: DataFrame, position: Position) -> DataFrame:
    """Return those of the position's stream: several jobs may have one place for theirs, and shards of one name.

    Streaming queries read what they like: theirs are all that are there.
    """
    if position.stream == QUERIES:
        return letters
    return letters.where(F.col("stream") == stream_name(position.stream))


def _condition(letters: LetterFilter) -> Column:
    """Return the filter, and what of it the partitions know."""
    condition = F.lit(True)
    if letters.reasons:
        condition &= F.col(REASON).isin(*letters.reasons)
    if letters.since is not None:
        condition &= (F.col(ARRIVED) >= letters.since) & (F.col(DAY_COLUMN) >= f"{letters.since:%Y%m%d}")
    if letters.until is not None:
        condition &= (F.col(ARRIVED) < letters.until) & (F.col(DAY_COLUMN) <= f"{letters.until:%Y%m%d}")
    return condition


def _is_unread() -> Column:
    """Say whether a letter lies after its shard's position; a shard that is no longer known was read to its end."""
    kind, arrived_ms = F.col(_KIND), F.unix_millis(F.col(ARRIVED))
    is_behind = F.lpad("sequence_number", SEQUENCE_NUMBER_DIGITS, "0") > F.lpad(_AFTER, SEQUENCE_NUMBER_DIGITS, "0")
    return F.coalesce(
        (kind == PositionKind.TRIM_HORIZON.value)
        | ((kind == PositionKind.AT_TIMESTAMP.value) & (arrived_ms >= F.col(_SINCE_MS)))
        | ((kind == PositionKind.AFTER.value) & is_behind),
        F.lit(False),
    )
