"""Whether memory stays flat."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmarks import page

MOST_MEMORY_GROWTH = 0.1
# Fewer points say nothing of a trend.
_FEWEST_POINTS = 3
_MEMORY = {
    "Python driver": lambda sample: sample["driver_rss_bytes"],
    "JVM": lambda sample: sample["jvm_rss_bytes"],
    "JVM heap after a collection": lambda sample: sample["jvm_heap_bytes"],
    "Python worker": lambda sample: sample["workers_rss_bytes"] / max(1, sample["workers"]),
}
# Between two collections the JVM takes and gives back what its settings allow: only the most it has had says something.
_SWINGING = frozenset({"JVM"})


def memory_claims(
    where: str, samples: Sequence[Mapping[str, Any]], without: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the bound of each growth beside what was found."""
    over = {name: "highest of each half" if name in _SWINGING else "second half" for name in _MEMORY}
    return [
        page.at_most(f"{where}: growth of the memory of the {name}, {over[name]}", MOST_MEMORY_GROWTH, share)
        for name, share in memory_growth(samples).items()
        if name not in without
    ]


def memory_growth(samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how much memory grew, as a share of what it was, by what has it.

    What stays the same from one sample to the next is judged by the line through the second half of them; what swings,
    by the highest of the second half in terms of the highest of the first.

    Args:
        samples: At equal distances; memory as `memory_of` gives it, and `jvm_heap_bytes` after a collection.
    """
    early, late = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    if len(late) < _FEWEST_POINTS:
        return {}
    return {
        name: round(
            max(map(value, late)) / max(map(value, early)) - 1 if name in _SWINGING else trend([*map(value, late)]), 4
        )
        for name, value in _MEMORY.items()
    }


def trend(values: Sequence[float]) -> float:
    """Return by which share the line that fits `values` best rises from its first point to its last."""
    line = statistics.linear_regression(range(len(values)), values)
    return line.slope * (len(values) - 1) / line.intercept if line.intercept else 0.0
