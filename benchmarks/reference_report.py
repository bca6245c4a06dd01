"""What was measured of a changing reference, as JSON, with what is wrong with it, and as text."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from expectation import batch_problems
from reference_cost import BatchMeasured, Measured
from reference_memory import Stage
from reference_rewriting import Rewritten
from report import median_steps, summary
from request_meter import Reads
from workload import Workload

# What is to hold.
MOST_COST_RATIO = 1.05
MOST_DRIVER_BYTES = 1_500_000_000
MOST_BATCHES_TO_TRUE = 2


def cost_json(found: Sequence[Measured], rows_checked: Mapping[str, int]) -> dict[str, Any]:
    """Return the batches of all variants; warm-up batches are listed, and counted nowhere."""
    return {
        measured.plan.name: {
            "reference_items": measured.plan.workload.items,
            "events_use": "all items" if measured.plan.workload.all_items else "four items",
            **summary(_seconds(measured)),
            "seconds": [round(seconds, 3) for seconds in _seconds(measured)],
            "warmup_seconds": [round(batch.seconds, 3) for batch in measured.batches[: measured.plan.warmup]],
            "steps_median_seconds": median_steps([batch.steps for batch in _counted(measured)]),
            "python_gc_median_seconds": round(statistics.median(b.gc_seconds for b in _counted(measured)), 4),
            "load": None if measured.load_seconds is None else _load_json(measured.load_seconds, measured.load_reads),
            "items_read_by_batch": [batch.reads.items for batch in measured.batches],
            "read_units_by_batch": [batch.reads.read_units for batch in measured.batches],
            "changes_read_by_batch": [batch.reads.changes for batch in measured.batches],
            "rows_checked": rows_checked[measured.plan.name],
        }
        for measured in found
    }


def _load_json(seconds: float, reads: Reads) -> dict[str, Any]:
    return {"seconds": round(seconds, 3), "items_read": reads.items, "read_units": reads.read_units}


def ratio(measured: Measured, base: Measured) -> dict[str, Any]:
    """Return what a batch costs in terms of another variant: of the medians, and round by round where both ran."""
    seconds, base_seconds = _seconds(measured), _seconds(base)
    more = statistics.median(seconds) - statistics.median(base_seconds)
    return {
        "of_medians": round(statistics.median(seconds) / statistics.median(base_seconds), 3),
        "seconds_more": round(more, 3),
        "by_round": _quartiles(_ratios_by_round(measured, base)),
    }


def ratio_to_both(measured: Measured, bases: Sequence[Measured]) -> dict[str, Any]:
    """Return what a batch costs in terms of variants that do the same: round by round, against their mean.

    One of them against the other says how far a ratio of this run can be off.
    """
    seconds, base_seconds = _seconds(measured), [each for base in bases for each in _seconds(base)]
    means = [statistics.mean(each) for each in zip(*(_seconds(base) for base in bases), strict=True)]
    return {
        "of_medians": round(statistics.median(seconds) / statistics.median(base_seconds), 3),
        "seconds_more": round(statistics.median(seconds) - statistics.median(base_seconds), 3),
        "by_round": _quartiles([ours / theirs for ours, theirs in zip(seconds, means, strict=True)]),
    }


def _ratios_by_round(measured: Measured, base: Measured) -> list[float]:
    def by_round(each: Measured) -> dict[int, float]:
        rounds = each.plan.rounds[each.plan.warmup :]
        return {number: batch.seconds for number, batch in zip(rounds, _counted(each), strict=True)}

    ours, theirs = by_round(measured), by_round(base)
    return [ours[number] / theirs[number] for number in ours if number in theirs]


def _quartiles(values: Sequence[float]) -> dict[str, float] | None:
    if len(values) < 2:
        return None
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return {"p25": round(lower, 3), "median": round(middle, 3), "p75": round(upper, 3)}


def cost_problems(measured: Measured) -> list[str]:
    """Return what one variant did that it must not do, or did not do that it must."""
    plan = measured.plan
    problems = batch_problems([batch.records for batch in measured.batches], plan.workload.records)
    if not plan.is_today and measured.load_reads.items != plan.workload.items:
        problems.append(f"load: expected {plan.workload.items:,} items read, found {measured.load_reads.items:,}")
    for number, batch in enumerate(measured.batches):
        expected = _expected_reads(measured, number)
        found = {
            "items read": batch.reads.items,
            "changes read": batch.reads.changes,
            **({} if plan.is_today else {"read units": batch.reads.read_units}),
            **({} if plan.is_today else {"read units reported": batch.reported_read_units}),
        }
        problems += [
            f"batch {number + 1}: expected {expected[what]:,} {what}, found {amount}"
            for what, amount in found.items()
            if amount != expected[what]
        ]
    return [f"{plan.name}: {problem}" for problem in [*problems, *unseen_changes(plan.workload, len(measured.batches))]]


def unseen_changes(workload: Workload, batches: int) -> list[str]:
    """Return the batches whose rows could not show their change: a check of them would be empty."""
    return [
        f"batch {number + 1}: none of its events uses an item that changed before it"
        for number in range(batches)
        if workload.changed(number) and not workload.rows_of_changes(number)
    ]


def _expected_reads(measured: Measured, number: int) -> dict[str, int]:
    workload = measured.plan.workload
    if measured.plan.is_today:
        return {"items read": workload.items, "changes read": 0}
    return {
        "items read": 0,
        "changes read": len(workload.changed(number)),
        "read units": 0,
        "read units reported": 0,
    }


def memory_json(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return the memory after each stage."""
    return [{"after": stage.name, **stage.memory, "items_read": stage.items_read} for stage in stages]


def memory_problems(stages: Sequence[Stage], items: int) -> list[str]:
    """Return what the job did that it must not do; of its stages, two read the whole table."""
    read = [0] * len(stages)
    read[1] = read[-1] = items
    problems = [
        f"after '{stage.name}': expected {expected:,} items read, found {stage.items_read:,}"
        for stage, expected in zip(stages, read, strict=True)
        if stage.items_read != expected
    ]
    peak = stages[-1].memory["driver_peak_rss_bytes"]
    if peak >= MOST_DRIVER_BYTES:
        problems.append(f"expected less than {MOST_DRIVER_BYTES:,} bytes in the driver, found a peak of {peak:,}")
    return [f"memory: {problem}" for problem in problems]


def rewriting_json(found: Rewritten, rows_checked: int) -> dict[str, Any]:
    """Return how soon each change was in the table; the first one is listed, and counted nowhere."""
    warmup, *changes = (
        {name: round(value, 3) if isinstance(value, float) else value for name, value in vars(change).items()}
        for change in found.changes
    )
    return {
        "bulk_seconds": round(found.bulk_seconds, 3),
        "warmup_change": warmup,
        "changes": changes,
        "rows_checked": rows_checked,
    }


def rewriting_problems(found: Rewritten) -> list[str]:
    """Return what is wrong with the changes that were followed."""
    problems = []
    for number, change in enumerate(found.changes, start=1):
        said = f"change {number}, {change.kind}"
        if not change.is_true:
            problems.append(f"{said}: not in all rows after {change.batches} batches")
        if change.batches > MOST_BATCHES_TO_TRUE:
            problems.append(f"{said}: expected {MOST_BATCHES_TO_TRUE} batches at most, found {change.batches}")
        if change.rows_rewritten != change.rows_expected:
            problems.append(
                f"{said}: expected {change.rows_expected:,} rows rewritten, found {change.rows_rewritten:,}"
            )
        if change.items_read:
            problems.append(f"{said}: expected 0 items read, found {change.items_read:,}")
    return problems


def claims(result: Mapping[str, Any], costs: tuple[str, str] | None) -> list[dict[str, Any]]:
    """Return the bounds beside those that were found, as far as these parts were measured.

    Args:
        result: The JSON so far.
        costs: The ratio that is bounded: the variant, and the one that it is compared with.
    """
    found: list[tuple[str, float, float]] = []
    if costs is not None:
        what = f"a batch of '{costs[0]}', in terms of {costs[1]}, median of the rounds"
        found.append((what, MOST_COST_RATIO, result["ratios"][costs[0]][f"to {costs[1]}"]["by_round"]["median"]))
    if "memory" in result:
        peak = result["memory"]["stages"][-1]["driver_peak_rss_bytes"]
        found.append(("bytes in the driver, at the peak", MOST_DRIVER_BYTES, peak))
    for table_type, rewriting in result.get("rewriting", {}).items():
        batches = max(change["batches"] for change in rewriting["changes"])
        found.append((f"batches until a change is in all rows, {table_type}", MOST_BATCHES_TO_TRUE, batches))
    return [{"claim": what, "at_most": bound, "found": value, "holds": value <= bound} for what, bound, value in found]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text: tables, the claims, and what was wrong."""
    text = [*_cost_lines(result), *_memory_lines(result), *_rewriting_lines(result), ""]
    text += [
        f"{'holds ' if claim['holds'] else 'MISSED'} {claim['claim']}: {claim['found']:,}, "
        f"claimed at most {claim['at_most']:,}"
        for claim in result["claims"]
    ]
    return [*text, "", *([f"WRONG: {problem}" for problem in result["problems"]] or ["all rows and reads as expected"])]


def _cost_lines(result: Mapping[str, Any]) -> list[str]:
    if "variants" not in result:
        return []
    head = f"{'seconds a batch':<46}{'median':>8}{'p90':>8}{'min':>8}{'items read':>12}{'rows checked':>14}"
    table = [
        f"{name:<46}{v['median_seconds']:>8.2f}{v['p90_seconds']:>8.2f}{v['min_seconds']:>8.2f}"
        f"{max(v['items_read_by_batch']):>12,}{v['rows_checked']:>14,}"
        for name, v in result["variants"].items()
    ]
    ratios = [
        f"{name}, {to}: {found['of_medians']:.3f}" + _spread(found["by_round"])
        for name, all_found in result["ratios"].items()
        for to, found in all_found.items()
    ]
    loads = [
        f"{name}: loaded {v['load']['items_read']:,} items in {v['load']['seconds']:.2f} s"
        for name, v in result["variants"].items()
        if v["load"]
    ]
    return ["", head, *table, "", *ratios, "", *loads]


def _spread(by_round: Mapping[str, float] | None) -> str:
    if by_round is None:
        return ""
    return f" (by round {by_round['median']:.3f}, half of the rounds {by_round['p25']:.3f} to {by_round['p75']:.3f})"


def _memory_lines(result: Mapping[str, Any]) -> list[str]:
    if "memory" not in result:
        return []
    head = f"{'MB after':<46}{'driver':>8}{'peak':>8}{'JVM':>8}{'workers':>12}"
    columns = ("driver_rss_bytes", "driver_peak_rss_bytes", "jvm_rss_bytes", "workers_rss_bytes")
    widths = (8, 8, 8, 12)
    return ["", head] + [
        f"{stage['after']:<46}"
        + "".join(f"{stage[column] / 1e6:>{width},.0f}" for column, width in zip(columns, widths, strict=True))
        for stage in result["memory"]["stages"]
    ]


def _rewriting_lines(result: Mapping[str, Any]) -> list[str]:
    return [
        f"{table_type}, change {change['kind']}: {change['rows_rewritten']:,} of {found['rows_checked']:,} rows "
        f"rewritten after {change['batches']} batches, committed after {change['seconds_to_commit']:.2f} s, "
        f"in a query's answer after {change['seconds_to_query']:.2f} s"
        for table_type, found in result.get("rewriting", {}).items()
        for change in found["changes"]
    ]


def _counted(measured: Measured) -> list[BatchMeasured]:
    return measured.batches[measured.plan.warmup :]


def _seconds(measured: Measured) -> list[float]:
    return [batch.seconds for batch in _counted(measured)]
