"""When the records of a batch had arrived in the stream, in a few numbers: they tell how fresh its rows are.

What a task read of a shard is summed up there by `sample`, and the samples of all shards are put together: no pass
over the records of its own, and no list of all times anywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

# Close together where the records are that waited longest: of these the 99th percentile is made.
_SHARES: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, *(number / 10 for number in range(1, 11)))
_US_PER_MS: Final = 1000


@dataclass(frozen=True)
class Arrivals:
    """When records had arrived, in milliseconds since 1970.

    Args:
        oldest_ms: The first of them.
        hundredth_ms: A hundredth of them had by then.
        median_ms: Half of them had by then.
    """

    oldest_ms: int
    hundredth_ms: int
    median_ms: int

    @classmethod
    def of(cls, samples: Iterable[tuple[int, Sequence[int]]]) -> "Arrivals | None":
        """Put samples together, each with the number of its records; None if there is no time among them.

        Each time stands for the records from it up to the next one of its sample, so that records are never taken for
        fresher than they are; the shares are right to a thousandth near the oldest, to a tenth near the median.
        """
        taken = [(records, times) for records, times in samples if len(times)]
        if not taken:
            return None
        weights = np.concatenate([records * np.diff(_SHARES, append=1.0) for records, _ in taken])
        times = np.concatenate([np.asarray(times, dtype=np.int64) for _, times in taken])
        order = np.argsort(times, kind="stable")
        times, reached = times[order], np.cumsum(weights[order])
        # A sum of shares is a little off.
        found = np.searchsorted(reached, np.array((0.01, 0.5)) * reached[-1] * (1 + 1e-9), side="right")
        hundredth, median = times[np.minimum(found, len(times) - 1)].tolist()
        return cls(int(times[0]), hundredth, median)

    @classmethod
    def of_times(cls, times: "pa.ChunkedArray[Any]") -> "Arrivals | None":
        """Return those of a column of times, exactly; None if it has none."""
        return cls.of_milliseconds(_milliseconds(times))

    @classmethod
    def of_milliseconds(cls, times: Sequence[int]) -> "Arrivals | None":
        """Return those of times in milliseconds since 1970, exactly; None if there is none."""
        return cls(*_quantiles(times, (0.0, 0.01, 0.5))) if len(times) else None


def sample(times: "pa.ChunkedArray[Any]") -> list[int]:
    """Sum a column of times up, as `Arrivals.of` takes it; nothing if it has none."""
    found = _milliseconds(times)
    return _quantiles(found, _SHARES) if len(found) else []


def _milliseconds(times: "pa.ChunkedArray[Any]") -> Any:
    return times.drop_null().cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // _US_PER_MS


def _quantiles(times: Sequence[int], shares: Sequence[float]) -> list[int]:
    found: list[int] = np.quantile(np.asarray(times, dtype=np.int64), shares, method="lower").tolist()
    return found
