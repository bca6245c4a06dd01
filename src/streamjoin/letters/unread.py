"""Dead letters whose records are read again: of a batch that died, or after a position was set back."""

import logging
from collections.abc import Callable, Iterable
from functools import reduce
from operator import and_

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.history.entry import Entry
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.chunks import LetterChunks, with_new_shards
from streamjoin.letters.columns import ID_COLUMN, has_commit
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.table import DeadLetters, letter_id
from streamjoin.shards.position import Position, ShardRange, sequence_order
from streamjoin.streaming.batch import Batch

log = logging.getLogger(__name__)

_NO_LIMITS = BatchLimits(records=2**31 - 1, bytes=2**63 - 1)


class UnreadLetters:
    """The dead letters that lie after the position, until their records have been read again.

    When that happens, schema or reference may have been mended: then the record is a row, and must not be a dead letter
    too. Until then the letter stays: if the stream has lost the record meanwhile, it is all that is left of it.

    Args:
        dead_letters: Where they are.
        entries: Gives all commits of the job, which know which shards were ever read.
    """

    def __init__(self, dead_letters: DeadLetters, entries: Callable[[], Iterable[Entry]]) -> None:
        self._dead_letters, self._entries = dead_letters, entries
        self._ids: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is none, or none any more."""
        return not self._ids

    def find(self, spark: SparkSession, position: Position) -> None:
        """Look for those after `position`, where a job starts.

        Raises:
            SinkError: The dead letters can't be read.
        """
        if not has_commit(self._dead_letters.base_path):
            return
        place = with_new_shards(spark, self._dead_letters, self._entries, position)
        chunks = LetterChunks(spark, self._dead_letters, place, LetterFilter(), _NO_LIMITS)
        self._ids = frozenset(chunks.unread())

    def delete_of(self, records: DataFrame, batch_id: str) -> None:
        """Delete those of a try of this batch that died, which is to be repeated; the repeat writes what it rejects.

        Columns in: those of a record.
        Delivery: can be repeated, until the batch is committed.

        Raises:
            SinkError: The dead letters can't be read or written.
        """
        if not has_commit(self._dead_letters.base_path):
            return
        spark = records.sparkSession
        letters, place = self._dead_letters.read(spark), ("stream", "shard_id", "sequence_number")
        read = records.where(F.col("sequence_number").isNotNull()).select(*(F.col(p).alias(f"_{p}") for p in place))
        is_read = reduce(and_, (F.col(p).eqNullSafe(F.col(f"_{p}")) for p in place))
        again = letters.join(read, is_read, "left_semi").unionByName(
            letters.where(F.col("sequence_number").isNull() & F.contains(ID_COLUMN, F.lit(f"/{batch_id}/")))
        )
        if ids := sorted(str(row[0]) for row in again.select(ID_COLUMN).collect()):
            self._dead_letters.delete(spark, ids, batch_id=f"unread-{batch_id}")
            log.info("batch=%s is repeated: %d dead letters of a try that died are deleted", batch_id, len(ids))

    def delete_outdated(self, batch: Batch, rejected: DataFrame) -> None:
        """Delete those whose records are in `batch` and are no longer rejected; before the batch's commit.

        Columns in: those of a record.
        Delivery: can be repeated. A crash before the commit leaves the records to be read again.

        Raises:
            SinkError: The dead letters can't be written.
        """
        again = {letter for letter in self._ids if _is_within(letter, batch.ranges)}
        if not again:
            return
        still = {str(row[0]) for row in rejected.select(letter_id()).collect()}
        if stale := sorted(again - still):
            self._dead_letters.delete(rejected.sparkSession, stale, batch_id=f"unread-{batch.batch_id}")
            log.info("batch=%s dead letters=%d are rejected no longer", batch.batch_id, len(stale))
        self._ids -= again


def _is_within(letter: str, ranges: Iterable[ShardRange]) -> bool:
    """Say whether the record of a letter, `stream/shard/number/sub`, is in one of the ranges."""
    # The stream may be an ARN, with slashes of its own.
    _, shard_id, number, _ = letter.rsplit("/", 3)
    return any(
        sequence_order(read.first) <= sequence_order(number) <= sequence_order(read.last)
        for read in ranges
        if read.shard_id == shard_id and read.first is not None and read.last is not None
    )
