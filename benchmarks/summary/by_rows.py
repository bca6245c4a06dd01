"""Batches into tables by day and without partitions, small and large, in turns; by day beside the script too."""

import statistics
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.our_way import OurWay
from benchmarks.summary.figures import GROWN, LAYOUTS, TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import details, take_turns
from benchmarks.summary.tables import SCRIPT, path_of
from benchmarks.summary.wide_orders import ITEMS, RECORDS, WideOrders, wide_config
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Steady, Variant
from benchmarks.workload import fill


@dataclass(frozen=True)
class Wide:
    """A table with its batches."""

    orders: WideOrders
    kind: str
    layout: str

    @property
    def name(self) -> str:
        """As the page calls it."""
        kind = TYPES.get(self.kind, self.kind)
        return f"{kind}, {LAYOUTS[self.layout]}, {self.orders.rows:,} rows"

    def steady(self, spark: SparkSession, directory: str, batches: int) -> Steady:
        """Return it as a variant that takes turns."""
        base_path = path_of(directory, self.kind, self.layout, self.orders.rows)
        self.orders.create_stream()
        way: Any
        if self.kind == SCRIPT:
            way = TodaysWay(today_session(spark), self.orders.stream_name, base_path, by_day=True)
        else:
            way = OurWay(spark, wide_config(self.orders.stream_name, base_path, self.kind, self.layout))
        by_day = self.layout != "flat"
        problems = partial(self.orders.problems, base_path, batches, by_day=by_day, keeps_moved=self.kind == SCRIPT)
        return Steady(way, self.orders.send, lambda: (0, problems()))


def measure_rows(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Measure seconds a batch of each table type and layout at few rows and at many."""
    both = sizes.few_rows, sizes.many_rows
    tables = [wide(kind, layout, rows) for kind, layout in GROWN for rows in both]
    seconds, found = measured(spark, tables, (sizes.table_warmup, sizes.table_rounds), directory)
    for few, many in zip(tables[::2], tables[1::2], strict=True):
        found.values[f"{few.kind} {few.layout}"] = seconds[many.name] / seconds[few.name]
    return found


def measure_day(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Measure batches into a table by day whose rows may move, beside the script's."""
    script, *ours = tables = [wide(kind, "may_move", sizes.day_rows) for kind in (SCRIPT, *TYPES)]
    seconds, found = measured(spark, tables, (sizes.table_warmup, sizes.table_rounds), directory)
    found.values = {f"day {each.kind}": seconds[script.name] / seconds[each.name] for each in ours}
    return found


def wide(kind: str, layout: str, rows: int) -> Wide:
    """Return a table, which is there, with its batches."""
    return Wide(WideOrders(f"{kind}-{layout}-{rows}", rows, moves=layout == "may_move"), kind, layout)


def measured(
    spark: SparkSession, tables: list[Wide], rounds: tuple[int, int], directory: str
) -> tuple[dict[str, float], Found]:
    """Let tables take batches in turns; return the median seconds of each, and what was found but for the values.

    Args:
        spark: The session.
        tables: They.
        rounds: How many don't count, and how many do.
        directory: Where they lie.
    """
    fill(ITEMS)
    warmup, counted = rounds
    batches = range(warmup + counted)
    ways = {each.name: each.steady(spark, directory, len(batches)) for each in tables}
    variants = [Variant(each.name, batches, warmup) for each in tables]
    problems = take_turns(variants, ways, RECORDS)
    seconds = {variant.name: statistics.median(variant.seconds) for variant in variants}
    return seconds, Found(problems=problems, details=details(variants))
