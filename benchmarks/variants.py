"""Variants that take a batch each, alternately, so that the noise of a machine hits them alike; and their ratios."""

import math
import statistics
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.expectation import batch_problems, named
from benchmarks.stopwatch import Stopwatch

Way = Any
"""A job that can be driven batch by batch: has `base_path`, `idle()`, `run_batch(watch)` and `close()`."""


@dataclass
class Batch:
    """One batch that was measured.

    Args:
        seconds: It took.
        steps: Where they went.
        records: How many it had; None if the variant doesn't count them.
        more: What else was measured.
    """

    seconds: float
    steps: Mapping[str, float]
    records: int | None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Variant:
    """What is measured under one name.

    Args:
        name: As the report calls it.
        rounds: Those that it takes part in, ascending.
        warmup: How many of its batches don't count.
        batches: Its batches, in order, with those that don't count.
    """

    name: str
    rounds: Sequence[int]
    warmup: int = 0
    batches: list[Batch] = field(default_factory=list)

    @property
    def counted(self) -> list[Batch]:
        """The batches that count."""
        return self.batches[self.warmup :]

    @property
    def seconds(self) -> list[float]:
        """What they took."""
        return [batch.seconds for batch in self.counted]

    def by_round(self) -> dict[int, float]:
        """Return what they took, by round."""
        return dict(zip(self.rounds[self.warmup :], self.seconds, strict=True))

    def to_json(self, rows_checked: int | None = None) -> dict[str, Any]:
        """Return what was measured; batches that don't count are listed, and counted nowhere."""
        return {
            **summary(self.seconds),
            "seconds": [round(seconds, 3) for seconds in self.seconds],
            "warmup_seconds": [round(batch.seconds, 3) for batch in self.batches[: self.warmup]],
            "steps_median_seconds": {
                step: round(statistics.median(batch.steps[step] for batch in self.counted), 3)
                for step in self.counted[0].steps
            },
            **({} if rows_checked is None else {"rows_checked": rows_checked}),
        }


def timed(way: Way) -> Batch:
    """Take what is in the stream to a commit."""
    watch = Stopwatch()
    records = way.run_batch(watch)
    return Batch(watch.seconds, watch.laps, records)


def alternately(variants: Sequence[Variant], run_batch: Callable[[Variant], Batch]) -> None:
    """Let each variant take a batch in each round that it takes part in."""
    rounds = 1 + max(variant.rounds[-1] for variant in variants)
    for number in range(rounds):
        for variant in in_turn(variants, number):
            if number in variant.rounds:
                variant.batches.append(run_batch(variant))
        took = ", ".join(f"{v.name} {v.batches[-1].seconds:.2f}" for v in variants if number in v.rounds)
        print(f"round {number + 1} of {rounds}, seconds: {took}", file=sys.stderr)


@dataclass(frozen=True)
class Steady:
    """A variant that takes the same batches as others.

    Args:
        way: The job.
        send: Puts the batch of this number into its stream.
        check: Compares its table with what it must hold; returns how many rows it has, and what is wrong.
    """

    way: Way
    send: Callable[[int], None]
    check: Callable[[], tuple[int, list[str]]]


def measure_steady(args: Namespace, found: Mapping[str, Steady], result: dict[str, Any]) -> dict[str, Variant]:
    """Let each take `args.warmup` batches that don't count, then `args.batches`; check their tables."""

    def run_batch(variant: Variant) -> Batch:
        each = found[variant.name]
        each.way.idle()
        each.send(len(variant.batches))
        return timed(each.way)

    variants = [Variant(name, range(args.warmup + args.batches), args.warmup) for name in found]
    try:
        alternately(variants, run_batch)
    finally:
        for each in found.values():
            each.way.close()
    result["variants"] = {}
    for variant in variants:
        rows, problems = found[variant.name].check()
        problems = [*batch_problems([batch.records for batch in variant.batches], args.records), *problems]
        result["variants"][variant.name] = variant.to_json(rows)
        result["problems"] += named(variant.name, problems)
    return {variant.name: variant for variant in variants}


def in_turn(variants: Sequence[Any], number: int) -> list[Any]:
    """Return the order of a round: the first, with which others are compared, takes each place in turn.

    The others keep their order: a worker keeps the rows of the last references that it had, and would read some of them
    again if one came twice in a row. A job has its own references alone.
    """
    first, *others = variants
    place = number % len(variants)
    return [*others[:place], first, *others[place:]]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, mean, nearest-rank 90th percentile, least and most of `seconds`."""
    return {
        "median_seconds": round(statistics.median(seconds), 3),
        "mean_seconds": round(statistics.mean(seconds), 3),
        "p90_seconds": round(percentile(seconds, 0.9), 3),
        "min_seconds": round(min(seconds), 3),
        "max_seconds": round(max(seconds), 3),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the least value that so large a share of the values doesn't exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ratio(variant: Variant, *bases: Variant) -> dict[str, Any]:
    """Return what a batch takes in terms of other variants, which do the same.

    `by_round` has the quartiles of the ratios to their mean, of those rounds in which all took part. One of the bases
    against another says how far a ratio of this run can be off.
    """
    seconds, base_seconds = variant.seconds, [each for base in bases for each in base.seconds]
    ours, *theirs = (each.by_round() for each in (variant, *bases))
    common = [number for number in ours if all(number in each for each in theirs)]
    values = [ours[number] / statistics.mean(each[number] for each in theirs) for number in common]
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    more = statistics.median(seconds) - statistics.median(base_seconds)
    return {
        "of_medians": round(statistics.median(seconds) / statistics.median(base_seconds), 3),
        "of_means": round(statistics.mean(seconds) / statistics.mean(base_seconds), 3),
        "seconds_more": round(more, 3),
        "by_round": dict(zip(("p25", "median", "p75"), (round(each, 3) for each in quartiles), strict=True)),
    }
