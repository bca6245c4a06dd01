"""One immutable part of a record-level index: entries sorted by the hash of their record key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# 128 bits of a SHA-256: among 10^9 keys two are alike with a probability of 10^-21, also if somebody chooses them.
HIGH, LOW = "high", "low"
ORDER, PARTITION = "order", "partition"
COLUMNS: Final = (HIGH, LOW, ORDER, PARTITION)
# So many entries are put together at a time, so that memory doesn't grow with the index.
_SLICE_ROWS: Final = 2_000_000

Hashes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """Entries of an index, one a record key.

    Columns: `high`, `low` (int64): the hash, by which they are sorted; `order`: the row's ordering value; `partition`
        (text, in a file by a dictionary): the values of its partition columns as JSON, or, if the table
        `tells_files`, the id of its file; null if the row was deleted.

    Args:
        entries: The table, each of its chunks behind the one before.
    """

    entries: pa.Table

    @classmethod
    def of(cls, entries: pa.Table) -> "Segment":
        """Sort entries that have each key once."""
        # By name alone: whether Spark says that a column has nulls doesn't count.
        columns: dict[str, Any] = {name: entries[name] for name in COLUMNS}
        return cls(pa.table(columns).sort_by([(HIGH, "ascending"), (LOW, "ascending")]).combine_chunks())

    @property
    def rows(self) -> int:
        """How many entries it has."""
        return int(self.entries.num_rows)

    @cached_property
    def _chunks(self) -> list[tuple[Hashes, Hashes, int]]:
        """Hashes of each chunk, as views of what is in memory or mapped, and the number of its first entry."""
        begin, found = 0, []
        for batch in self.entries.select([HIGH, LOW]).to_batches():
            if batch.num_rows:
                found.append((batch.column(0).to_numpy(), batch.column(1).to_numpy(), begin))
            begin += batch.num_rows
        return found

    def find(self, high: Hashes, low: Hashes) -> npt.NDArray[np.int64]:
        """Return for each hash the number of its entry, -1 if there is none."""
        found = np.full(len(high), -1, dtype=np.int64)
        for highs, lows, begin in self._chunks:
            asked = np.flatnonzero((high >= highs[0]) & (high <= highs[-1]) & (found < 0))
            at = np.searchsorted(highs, high[asked])
            # Several keys may share the first half of their hash.
            while len(asked):
                is_equal = (at < len(highs)) & (highs[np.minimum(at, len(highs) - 1)] == high[asked])
                asked, at = asked[is_equal], at[is_equal]
                is_found = lows[at] == low[asked]
                found[asked[is_found]] = begin + at[is_found]
                asked, at = asked[~is_found], at[~is_found] + 1
        return found

    def take(self, numbers: npt.NDArray[np.int64]) -> pa.Table:
        """Return `order` and `partition`, as text, of the entries with these numbers."""
        return _with_text(self.entries.select([ORDER, PARTITION]).take(numbers))

    def between(self, first: int, last: int) -> pa.Table:
        """Return the entries whose `high` is in a range, both ends included."""
        parts = [
            self.entries.slice(begin + at, int(np.searchsorted(highs, last, "right")) - at)
            for highs, _, begin in self._chunks
            for at in [int(np.searchsorted(highs, first, "left"))]
        ]
        return pa.concat_tables(parts) if parts else self.entries.slice(0, 0)


def merged(segments: Sequence[Segment], *, is_whole: bool) -> Iterator[pa.Table]:
    """Yield the newest entry of each key, sorted, in slices.

    Args:
        segments: The oldest first.
        is_whole: Whether nothing is older: then a deleted row need not be remembered.
    """
    for first, last in hash_ranges(sum(segment.rows for segment in segments)):
        parts = [segment.between(first, last) for segment in segments]
        yield _newest(parts, is_whole=is_whole)


def hash_ranges(rows: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of `high`, both ends included, that share so many entries evenly: each has what fits memory.

    None of several has both signs.
    """
    slices = 2 * (rows // _SLICE_ROWS // 2) or 1
    edges = [number * 2**64 // slices - 2**63 for number in range(slices + 1)]
    for first, after in pairwise(edges):
        yield first, after - 1


def _newest(parts: Sequence[pa.Table], *, is_whole: bool) -> pa.Table:
    ages = np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])
    together = pa.concat_tables(map(_with_text, parts))
    high, low = (together[name].to_numpy() for name in (HIGH, LOW))
    order = np.lexsort((-ages, low, high))
    high, low = high[order], low[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    newest = together.take(order[is_first])
    if is_whole:
        newest = newest.filter(pc.is_valid(newest[PARTITION]))
    return newest.combine_chunks()


def _with_text(entries: pa.Table) -> pa.Table:
    text: Any = entries[PARTITION].cast(pa.string())
    return entries.set_column(entries.schema.get_field_index(PARTITION), PARTITION, text)
