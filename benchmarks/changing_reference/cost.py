"""What a batch costs with a small and a large reference, without a change and with one, beside a scan a batch.

Runs in a process of its own; the tables that it leaves are checked by the process that started it.
"""

import gc
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.expectation import batch_problems
from benchmarks.our_way import OurWay, job_config
from benchmarks.request_meter import Reads, RequestMeter
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Batch, Variant, alternately, timed
from benchmarks.workload import SCAN_SEGMENTS, Workload

# Its batches are the shortest and don't grow with the table, so that whatever a reference costs weighs the most.
TABLE_TYPE = "MERGE_ON_READ"
FEW_ITEMS = 4
FEW_TABLE, MANY_TABLE, CHANGING_TABLE = (f"countries_{which}" for which in ("few", "many", "changing"))
# Two variants do the same with 4 items: what the others cost is in terms of both.
BOTH_OF_FEW = "to both of 4 items"


@dataclass(kw_only=True)
class Plan(Variant):
    """One variant, with what it is given.

    Args:
        workload: What it is given.
        base_path: Where its table goes.
        is_today: Whether it is today's way, not ours.
        load: Seconds and reads of loading the reference; None for today's way.
    """

    workload: Workload
    base_path: str
    is_today: bool = False
    load: tuple[float, Reads] | None = None

    def to_json(self, rows_checked: int | None = None) -> dict[str, Any]:
        """Return what was measured."""
        seconds, load = self.load or (0.0, Reads())
        reads = [batch.more["reads"] for batch in self.batches]
        return {
            "reference_items": self.workload.items,
            "events_use": "all items" if self.workload.all_items else "four items",
            **super().to_json(rows_checked),
            "python_gc_median_seconds": round(statistics.median(b.more["gc_seconds"] for b in self.counted), 4),
            "load": {"seconds": round(seconds, 3), "items_read": load.items, "read_units": load.read_units}
            if self.load
            else None,
            "items_read_by_batch": [each.items for each in reads],
            "read_units_by_batch": [each.read_units for each in reads],
            "changes_read_by_batch": [each.changes for each in reads],
        }


def plans(args: Namespace, directory: str) -> list[Plan]:
    """Return the variants; all others are compared with the first.

    Of today's way, the one with few items loads the classes for both, since a batch with many takes minutes.
    """
    items, rounds = args.reference_items, range(args.warmup + args.batches)
    last = rounds[-args.today_batches :]
    warm = [number for number in rounds[: args.warmup] if number not in last]
    few, many = {"items": FEW_ITEMS, "table_name": FEW_TABLE}, {"items": items, "table_name": MANY_TABLE}
    changing = many | {"table_name": CHANGING_TABLE, "changes": (1,) * len(rounds)}
    ours, all_rounds = "streamjoin", (rounds, args.warmup)
    found: list[tuple[str, dict[str, Any], tuple[Sequence[int], int]]] = [
        (f"{ours}, {FEW_ITEMS} items", few, all_rounds),
        (f"{ours}, {FEW_ITEMS} items, again", few, all_rounds),
        (f"{ours}, {items:,} items", many, all_rounds),
        (f"{ours}, {items:,} items, all used", many | {"all_items": True}, all_rounds),
        (f"{ours}, {items:,} items, a change a batch", changing, all_rounds),
        (f"today, {FEW_ITEMS} items", few, ([*warm, *last], len(warm))),
        (f"today, {items:,} items", many, (last, 0)),
    ]
    return [
        Plan(
            name,
            *takes_part,
            workload=Workload(f"orders-{number}", records=args.records, **given),
            base_path=f"{directory}/table-{number}",
            is_today=name.startswith("today"),
        )
        for number, (name, given, takes_part) in enumerate(found)
    ]


def measure(spark: SparkSession, plans: list[Plan]) -> list[Plan]:
    """Run the variants, a batch each; return them with what was measured."""
    meter = RequestMeter()
    meter.watch()
    ways: dict[str, OurWay | TodaysWay] = {}

    def run_batch(plan: Variant) -> Batch:
        """Put the batch's records into the stream, change what is to change, then time it from there to its commit."""
        assert isinstance(plan, Plan)
        way = ways[plan.name]
        way.idle()
        plan.workload.send(len(plan.batches))
        meter.take()
        with collecting() as gc_seconds:
            batch = timed(way)
        batch.more = {"reads": meter.take(), "gc_seconds": sum(gc_seconds)}
        if isinstance(way, OurWay):
            batch.more["reported"] = sum(each["read_units"] for each in way.last_report.references.values())
        return batch

    try:
        for plan in plans:
            ways[plan.name] = _start(spark, plan, meter)
        alternately(plans, run_batch)
    finally:
        for way in ways.values():
            way.close()
    return plans


def configured(workload: Workload, base_path: str) -> dict[str, Any]:
    """Return the configuration of our job with a large reference."""
    return job_config(
        workload.stream_name, base_path, TABLE_TYPE, table_name=workload.table_name, scan_segments=SCAN_SEGMENTS
    )


def _start(spark: SparkSession, plan: Plan, meter: RequestMeter) -> OurWay | TodaysWay:
    given = plan.workload
    given.create_stream()
    if plan.is_today:
        return TodaysWay(today_session(spark), given.stream_name, plan.base_path, table_name=given.table_name)
    meter.take()
    way = OurWay(spark, configured(given, plan.base_path))
    plan.load = way.load_seconds, meter.take()
    print(f"{plan.name}: loaded in {way.load_seconds:.1f} s", file=sys.stderr)
    return way


@contextmanager
def collecting() -> Iterator[list[float]]:
    """Give a list that gets the seconds of every run of Python's collector within the `with` block."""
    found: list[float] = []
    started = 0.0

    def note(phase: str, _: dict[str, int]) -> None:
        nonlocal started
        if phase == "start":
            started = time.perf_counter()
        else:
            found.append(time.perf_counter() - started)

    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)


def problems(plan: Plan) -> list[str]:
    """Return what one variant did that it must not do, or did not do that it must."""
    given = plan.workload
    found = batch_problems([batch.records for batch in plan.batches], given.records)
    if plan.load and plan.load[1].items != given.items:
        found.append(f"load: expected {given.items:,} items read, found {plan.load[1].items:,}")
    for number, batch in enumerate(plan.batches):
        reads = batch.more["reads"]
        expected = {"items read": (given.items, reads.items), "changes read": (0, reads.changes)}
        if not plan.is_today:
            expected = {
                "items read": (0, reads.items),
                "changes read": (len(given.changed(number)), reads.changes),
                "read units": (0, reads.read_units),
                "read units reported": (0, batch.more["reported"]),
            }
        found += [
            f"batch {number + 1}: expected {wanted:,} {what}, found {amount}"
            for what, (wanted, amount) in expected.items()
            if amount != wanted
        ]
    return [*found, *given.unseen_changes(len(plan.batches))]
