"""What was measured of a long run, as JSON, with what is wrong with it, and as text."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from expectation import batch_problems
from long_run_backlog import Backlog, Drained
from long_run_growth import AGAIN, FRESH, OLD, Grown, Growth, Sample
from long_run_updates import SHARDS
from report import median_steps, summary

# What is to hold.
MOST_BATCH_RATIO = 1.3
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


def growth_json(found: Growth, rows_checked: Mapping[str, int]) -> dict[str, Any]:
    """Return what was measured of one type of table."""
    plan, old = found.plan, found.tables[OLD]
    rounds = {name: each.seconds[-plan.rounds :] for name, each in found.tables.items()}
    cpu = {name: statistics.mean(each.cpu_seconds[-plan.rounds :]) for name, each in found.tables.items()}
    return {
        "hudi_options": dict(plan.options),
        "tables": {
            name: {
                "commits_before_the_rounds": len(each.seconds) - plan.rounds,
                **spread(rounds[name]),
                "seconds": [round(seconds, 3) for seconds in rounds[name]],
                "cpu_mean_seconds": round(cpu[name], 3),
                "steps_median_seconds": median_steps(each.steps),
                "position_read_seconds": round(each.position_seconds, 4),
                "files": dict(each.files),
                "rows_checked": rows_checked[name],
            }
            for name, each in found.tables.items()
        },
        "ratios": {
            f"{name}, in terms of {FRESH}": {
                **ratio(rounds[name], rounds[FRESH]),
                "of_cpu_seconds": round(cpu[name] / cpu[FRESH], 3),
            }
            for name in (OLD, AGAIN)
        },
        "growing": {
            "samples": [_sample_json(each, old, plan.sample_every) for each in found.samples],
            "last_in_terms_of_early": _process_age(found),
        },
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return what slow batches weigh beside the median: one in 20 compacts, cleans or archives."""
    return {
        **summary(seconds),
        "mean_seconds": round(statistics.mean(seconds), 3),
        "max_seconds": round(max(seconds), 3),
    }


def ratio(seconds: Sequence[float], base: Sequence[float]) -> dict[str, Any]:
    """Return what a batch takes in terms of another table's: round by round, of the medians, and of all of the time."""
    by_round = [ours / theirs for ours, theirs in zip(seconds, base, strict=True)]
    quartiles = statistics.quantiles(by_round, n=4, method="inclusive") if len(by_round) > 1 else by_round * 3
    return {
        "of_medians": round(statistics.median(seconds) / statistics.median(base), 3),
        "of_means": round(statistics.mean(seconds) / statistics.mean(base), 3),
        "by_round": dict(zip(("p25", "median", "p75"), (round(each, 3) for each in quartiles), strict=True)),
    }


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


def growth_problems(found: Growth) -> list[str]:
    """Return what the batches did that they must not do."""
    records = found.plan.updates.records
    return [f"{name}: {said}" for name, each in found.tables.items() for said in batch_problems(each.counted, records)]


def backlog_json(given: Backlog, found: Sequence[Drained], rows_checked: int) -> dict[str, Any]:
    """Return how the backlog was drained."""
    return {
        "records": given.records,
        "limit_records": given.limit,
        "batches": [
            {
                "records": batch.records,
                "seconds": round(batch.seconds, 3),
                **batch.memory,
                "jvm_heap_bytes": batch.heap_bytes,
            }
            for batch in found
        ],
        "rows_checked": rows_checked,
    }


def backlog_problems(given: Backlog, found: Sequence[Drained]) -> list[str]:
    """Return which batches had more than the limit, and whether all of the backlog was read."""
    # Each shard may give one record beyond its share, so that none gets stuck.
    most, read = given.limit + SHARDS, sum(batch.records for batch in found)
    problems = [
        f"batch {number}: expected {most:,} records at most, found {batch.records:,}"
        for number, batch in enumerate(found, start=1)
        if batch.records > most
    ]
    if read != given.records:
        problems.append(f"expected {given.records:,} records read, found {read:,}")
    return [f"backlog: {problem}" for problem in problems]


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bounds beside what was found, as far as these parts were measured."""
    found: list[tuple[str, float, float]] = []
    for table_type, part in result.get("growth", {}).items():
        (what, ratios), *_ = part["ratios"].items()
        found.append((f"{table_type}: {what}, median of the rounds", MOST_BATCH_RATIO, ratios["by_round"]["median"]))
        found.append((f"{table_type}: {what}, all of the time", MOST_BATCH_RATIO, ratios["of_means"]))
        found += _memory_claims(table_type, part["growing"]["samples"])
    if "backlog" in result:
        # Too short for the JVM to have taken all that its settings allow: its heap after collections tells.
        found += _memory_claims("backlog", result["backlog"]["batches"], without=_SWINGING)
    return [{"claim": what, "at_most": bound, "found": value, "holds": value <= bound} for what, bound, value in found]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text: tables, the claims, and what was wrong."""
    text = [line for kind, part in result.get("growth", {}).items() for line in _growth_lines(kind, part)]
    text += _backlog_lines(result["backlog"]) if "backlog" in result else []
    text += [""] + [
        f"{'holds ' if claim['holds'] else 'MISSED'} {claim['claim']}: {claim['found']:.3f}, "
        f"claimed at most {claim['at_most']}"
        for claim in result["claims"]
    ]
    return [
        *text,
        "",
        *([f"WRONG: {problem}" for problem in result["problems"]] or ["all rows and counts as expected"]),
    ]


def _memory_claims(
    where: str, samples: Sequence[Mapping[str, Any]], without: Collection[str] = ()
) -> list[tuple[str, float, float]]:
    return [
        (f"{where}: growth of the memory of the {name}, {_over(name)}", MOST_MEMORY_GROWTH, share)
        for name, share in memory_growth(samples).items()
        if name not in without
    ]


def _over(name: str) -> str:
    return "highest of each half" if name in _SWINGING else "second half"


def _sample_json(found: Sample, table: Grown, every: int) -> dict[str, Any]:
    seconds = table.seconds[found.commits - every : found.commits]
    return {
        "commits": found.commits,
        **spread(seconds),
        "cpu_mean_seconds": round(statistics.mean(table.cpu_seconds[found.commits - every : found.commits]), 3),
        **found.memory,
        "jvm_heap_bytes": found.heap_bytes,
        "files": dict(found.files),
    }


def _process_age(found: Growth) -> float | None:
    """Return the old table's last batches in terms of those after `fresh_commits`, hours of a noisy machine apart."""
    plan, seconds = found.plan, found.tables[OLD].seconds
    early = seconds[plan.fresh_commits : plan.fresh_commits + plan.rounds]
    last = seconds[plan.commits - plan.rounds : plan.commits]
    if plan.fresh_commits + 2 * plan.rounds > plan.commits:
        return None
    return round(statistics.median(last) / statistics.median(early), 3)


def _growth_lines(table_type: str, part: Mapping[str, Any]) -> list[str]:
    head = (
        f"{table_type + ', seconds a batch':<36}{'commits':>9}{'median':>8}{'mean':>8}{'p90':>8}{'max':>8}{'rows':>9}"
    )
    table = [
        f"{name:<36}{v['commits_before_the_rounds']:>9,}{v['median_seconds']:>8.2f}{v['mean_seconds']:>8.2f}"
        f"{v['p90_seconds']:>8.2f}{v['max_seconds']:>8.2f}{v['rows_checked']:>9,}"
        for name, v in part["tables"].items()
    ]
    ratios = [
        f"{name}: {found['by_round']['median']:.3f} by round (half of the rounds {found['by_round']['p25']:.3f} to "
        f"{found['by_round']['p75']:.3f}), {found['of_medians']:.3f} of medians, {found['of_means']:.3f} of means, "
        f"{found['of_cpu_seconds']:.3f} of CPU seconds"
        for name, found in part["ratios"].items()
    ]
    files = [f"{name}: files {v['files']}" for name, v in part["tables"].items()]
    return ["", head, *table, *ratios, *files, *_memory_lines(part["growing"])]


def _memory_lines(growing: Mapping[str, Any]) -> list[str]:
    samples = growing["samples"]
    shown = {
        "driver": "driver_rss_bytes",
        "JVM": "jvm_rss_bytes",
        "heap": "jvm_heap_bytes",
        "workers": "workers_rss_bytes",
    }
    return [
        f"after {each['commits']:,} commits, MB: "
        + ", ".join(f"{name} {each[key] / 1e6:,.0f}" for name, key in shown.items())
        for each in samples[:: max(1, len(samples) // 5)]
    ]


def _backlog_lines(part: Mapping[str, Any]) -> list[str]:
    batches = part["batches"]
    return ["", f"backlog of {part['records']:,} records, {part['limit_records']:,} a batch at most:"] + [
        f"batch {number} of {len(batches)}: {batch['records']:,} records in {batch['seconds']:.2f} s, MB: driver "
        f"{batch['driver_rss_bytes'] / 1e6:,.0f}, JVM {batch['jvm_rss_bytes'] / 1e6:,.0f}, heap "
        f"{batch['jvm_heap_bytes'] / 1e6:,.0f}, workers {batch['workers_rss_bytes'] / 1e6:,.0f}"
        for number, batch in enumerate(batches, start=1)
    ]
