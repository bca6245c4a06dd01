"""What a run of the replication benchmark says: rates, claims, and what was wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from replicate_job import LoggedBatch

PHASES = {"full_load": "full load, rows", "bulk": "bulk, changes", "replay": "replay, changes"}
MOST_P50_SECONDS, MOST_P99_SECONDS, LEAST_BULK_RATE = 0.5, 2.0, 2_000


def rate_json(count: int, seconds: float) -> dict[str, Any]:
    """Return how many there were, in which time, and how many that is a second."""
    return {"count": count, "seconds": round(seconds, 3), "a_second": round(count / seconds, 1)}


def batches_json(batches: Sequence[LoggedBatch]) -> dict[str, Any]:
    """Return what the job itself says of its batches."""
    seconds = sum(batch.seconds for batch in batches)
    changes = sum(batch.changes for batch in batches)
    return {
        "batches": len(batches),
        "batch_seconds": round(seconds, 3),
        "changes_a_second_within_batches": round(changes / seconds, 1) if seconds else 0.0,
    }


def batch_problems(phase: str, batches: Sequence[LoggedBatch], changes: int, *, is_replay: bool) -> list[str]:
    """Return what the batches of a phase did that they must not do; each change must have written an item."""
    found = {
        "changes": sum(batch.changes for batch in batches),
        "puts": sum(batch.puts for batch in batches),
        "superseded": sum(batch.superseded for batch in batches),
        "replay": sorted({batch.is_replay for batch in batches}),
    }
    expected = {"changes": changes, "puts": changes, "superseded": 0, "replay": [is_replay]}
    return [] if found == expected else [f"{phase}: expected {expected}, found {found}"]


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bounds beside what was found."""
    latency = result["latency"]
    rate = result["parameters"]["changes_a_second"]
    at_most = [
        (f"commit to item, p50 at {rate:g} changes a second, seconds", MOST_P50_SECONDS, latency["p50_seconds"]),
        (f"commit to item, p99 at {rate:g} changes a second, seconds", MOST_P99_SECONDS, latency["p99_seconds"]),
    ]
    bulk = result["bulk"]["a_second"]
    return [
        *({"claim": what, "at_most": most, "found": value, "holds": value <= most} for what, most, value in at_most),
        {
            "claim": "bulk changes a second",
            "at_least": LEAST_BULK_RATE,
            "found": bulk,
            "holds": bulk >= LEAST_BULK_RATE,
        },
    ]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text: rates, the claims, and what was wrong."""
    latency = result["latency"]
    text = [
        "",
        *(
            f"{title:<22}{result[phase]['count']:>9,} in {result[phase]['seconds']:>6.1f} s: "
            f"{result[phase]['a_second']:>8,.0f} a second"
            for phase, title in (
                ("full_load", "full load, rows"),
                ("bulk", "bulk, changes"),
                ("replay", "replay, changes"),
            )
        ),
        f"commit to item, {latency['changes']:,} changes, {latency['changes_a_second']:.0f} a second: "
        f"p50 {latency['p50_seconds']:.3f} s, p90 {latency['p90_seconds']:.3f} s, p99 {latency['p99_seconds']:.3f} s, "
        f"longest {latency['max_seconds']:.3f} s",
        "",
    ]
    text += [claim_line(claim) for claim in result["claims"]]
    problems = [f"WRONG: {problem}" for problem in result["problems"]]
    return [*text, "", *(problems or [f"all {result['rows_checked']:,} items are equal to their rows"])]


def claim_line(claim: Mapping[str, Any]) -> str:
    """Return a claim as text."""
    bound = f"at most {claim['at_most']}" if "at_most" in claim else f"at least {claim['at_least']:,}"
    return f"{'holds ' if claim['holds'] else 'MISSED'} {claim['claim']}: {claim['found']:,}, claimed {bound}"
