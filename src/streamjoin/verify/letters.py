"""The dead letters as they lie in their table, found by their place in the stream."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamjoin.letters.columns import ID_COLUMN, REASON, has_commit
from streamjoin.query import read_table
from streamjoin.schema.columns import SEQUENCE_NUMBER_DIGITS

_COLUMNS = [ID_COLUMN, "stream", "shard_id", "sequence_number", REASON]

Span = tuple[int, int]


@dataclass(frozen=True)
class ShardLetters:
    """The dead letters of one shard, in the shard's order.

    Args:
        numbers: Their sequence numbers, padded.
        totals: Row n: how many of the first n there are of each reason.
    """

    numbers: "np.ndarray[tuple[int], np.dtype[np.bytes_]]"
    totals: "np.ndarray[tuple[int, int], np.dtype[np.int64]]"

    def span(self, first: str | None, last: str | None) -> Span:
        """Return which letters lie from `first` to `last`, both included; None: from or to the end."""
        begin = 0 if first is None else int(np.searchsorted(self.numbers, _padded(first), side="left"))
        end = len(self.numbers) if last is None else int(np.searchsorted(self.numbers, _padded(last), side="right"))
        return begin, max(begin, end)

    def number(self, place: int) -> str:
        """Return the sequence number of one letter."""
        return self.numbers[place].decode().lstrip("0") or "0"


@dataclass(frozen=True)
class Letters:
    """All dead letters that have a place in the stream.

    Args:
        reasons: Their reasons, in the order of `ShardLetters.totals`.
        shards: By stream and shard: several jobs may have one place for theirs, and shards of one name.
        total: How many.
    """

    reasons: tuple[str, ...]
    shards: Mapping[tuple[str, str], ShardLetters]
    total: int

    @classmethod
    def of(cls, table: pa.Table) -> "Letters":
        """Sort dead letters into their places.

        Columns in: `stream`, `shard_id`, `sequence_number`, `reason`; those without a number came from a frame.
        """
        table = table.filter(pc.is_valid(table["sequence_number"]))
        reasons = tuple(sorted({str(reason) for reason in pc.unique(table[REASON]).to_pylist()}))
        padded = pc.utf8_lpad(table["sequence_number"].cast(pa.string()), SEQUENCE_NUMBER_DIGITS, "0")
        table = table.select(["stream", "shard_id", REASON]).append_column("number", padded)
        table = table.sort_by([("number", "ascending")])
        found = {}
        for place in table.group_by(["stream", "shard_id"]).aggregate([]).to_pylist():
            stream, shard_id = place["stream"], place["shard_id"]
            mine = table.filter((pc.field("stream") == stream) & (pc.field("shard_id") == shard_id))
            codes = pc.index_in(mine[REASON], pa.array(reasons, pa.string())).to_numpy()
            totals = np.zeros((mine.num_rows + 1, len(reasons)), np.int64)
            np.add.at(totals, (np.arange(1, mine.num_rows + 1), codes), 1)
            found[stream, shard_id] = ShardLetters(
                np.array(mine["number"].to_pylist(), dtype=f"S{SEQUENCE_NUMBER_DIGITS}"), totals.cumsum(axis=0)
            )
        return cls(reasons, found, table.num_rows)


def read_letters(base_path: str) -> pa.Table:
    """Read places and reasons of the dead letters; none if nothing was ever rejected.

    Raises:
        SinkError: Their table can't be read.
    """
    if not has_commit(base_path):
        return pa.table({name: pa.array([], pa.string()) for name in _COLUMNS})
    return read_table(base_path, columns=_COLUMNS)


def _padded(number: str) -> bytes:
    return number.rjust(SEQUENCE_NUMBER_DIGITS, "0").encode()
