"""A change of one reference item that many rows of a large table use: how soon a query sees it in all of them.

Runs in a process of its own; the tables that it leaves are checked by the process that started it.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.expectation import Row
from benchmarks.our_way import OurWay, job_config
from benchmarks.page import Columns
from benchmarks.request_meter import RequestMeter
from benchmarks.stopwatch import Stopwatch
from benchmarks.workload import SHARDS, changed_item, country_item, payloads_of, records_of
from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import process_batch
from streamjoin.enrich.rewrite import rewrite
from streamjoin.local.samples.orders import order
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import Item, create_stream, put_items
from streamjoin.query import read_table, run_sql
from streamjoin.spark.frames import frame_of
from streamjoin.streaming.batch import Batch

# As many as a batch has at most by default.
BULK_RECORDS = 200_000
# More are tried than are allowed, to say how many it takes.
MOST_BATCHES_TO_TRUE, MOST_BATCHES = 2, 4
# A change that the batch in hand sees, and one that comes when it has its snapshot already.
KINDS = ("before a batch", "during a batch")
COLUMNS: Columns = {
    "rows rewritten": ("rows_rewritten", ","),
    "batches": ("batches", ""),
    "seconds to commit": ("seconds_to_commit", ".2f"),
    "to a query's answer": ("seconds_to_query", ".2f"),
}


@dataclass(frozen=True)
class RewritingWorkload:
    """A table whose rows are spread evenly over the items of a reference, and changes of one item after the other.

    Args:
        stream_name: Where the events of the batches between are put.
        table_name: The reference table.
        rows: Rows of the table at the start.
        key_rows: How many of them have one item's country.
        records: Events of a batch between.
    """

    stream_name: str
    table_name: str
    rows: int
    key_rows: int
    records: int

    @property
    def items(self) -> int:
        """Items of the reference table."""
        return self.rows // self.key_rows

    def event(self, index: int) -> dict[str, str]:
        """Return event number `index` of those that the table has at the start."""
        return order(0, index) | {"country": country_item(index % self.items)["countryname"]}

    def batch(self, number: int, item: int) -> list[dict[str, str]]:
        """Return the events of a batch: half of them use `item`, the others the first, which never changes."""
        start = self.rows + number * self.records
        return [
            order(0, index) | {"country": country_item(item if index % 2 else 0)["countryname"]}
            for index in range(start, start + self.records)
        ]

    def change(self, number: int) -> tuple[int, Item]:
        """Return which item change number `number` changes, and its new version."""
        return number + 1, changed_item(number + 1, f"change {number}")

    def expected(self, changes: int, batches: Sequence[int]) -> dict[str, Row]:
        """Return, by uuid, what the rows must be after so many changes.

        Args:
            changes: How many there were.
            batches: The item that each of the batches used, in order.
        """
        combined = {item["countryname"]: item["combinedname"] for item in map(country_item, range(self.items))}
        combined |= {item["countryname"]: item["combinedname"] for _, item in map(self.change, range(changes))}
        rows = {}
        later = (event for number, item in enumerate(batches) for event in self.batch(number, item))
        for event in chain(map(self.event, range(self.rows)), later):
            rows[event["uuid"]] = (event["country"], combined[event["country"]])
        return rows


def measure(
    spark: SparkSession, tables: Mapping[str, tuple[RewritingWorkload, str]], changes: int
) -> dict[str, dict[str, Any]]:
    """Write each table, then change one item after the other, each kind in turn.

    Args:
        spark: The session.
        tables: Table type -> the rows and batches, and where the table goes.
        changes: How many of each; the first doesn't count, it loads classes.

    Returns:
        By table type how long writing the rows took, each change, and the item that each batch between used.
    """
    meter = RequestMeter()
    meter.watch()
    found: dict[str, dict[str, Any]] = {}
    for table_type, (given, base_path) in tables.items():
        create_stream(aws_client("kinesis"), given.stream_name, SHARDS)
        names = given.stream_name, base_path, table_type
        way = OurWay(spark, job_config(*names, table_name=given.table_name, on_change="rewrite_rows"))
        try:
            measured: dict[str, Any] = {"bulk_seconds": _write(spark, way, given), "changes": [], "batches": []}
            for number in range(changes):
                measured["changes"].append(_follow(way, spark, given, number, measured["batches"], meter))
                print(f"{table_type}: change {number + 1} of {changes}: {measured['changes'][-1]}", file=sys.stderr)
            found[table_type] = measured
        finally:
            way.close()
    return found


def _write(spark: SparkSession, way: OurWay, given: RewritingWorkload) -> float:
    started = time.perf_counter()
    for number, start in enumerate(range(0, given.rows, BULK_RECORDS)):
        events = map(given.event, range(start, min(start + BULK_RECORDS, given.rows)))
        records = records_of(given.stream_name, payloads_of(events), start)
        process_batch(way.job, Batch(f"bulk-{number}", frame_of(spark, records)))
    seconds = time.perf_counter() - started
    print(f"{given.rows:,} rows written in {seconds:.1f} s", file=sys.stderr)
    return round(seconds, 3)


def _follow(
    way: OurWay, spark: SparkSession, given: RewritingWorkload, number: int, batches: list[int], meter: RequestMeter
) -> dict[str, Any]:
    """Change an item, then go on as the runner does: a batch, a pass of rewriting; until a query sees it everywhere."""
    kind = KINDS[number % len(KINDS)]
    place, item = given.change(number)
    changed_at: list[float] = []

    def change(step: str) -> None:
        if step == "counted" and not changed_at:
            changed_at.append(time.perf_counter())
            put_items(aws_client("dynamodb"), given.table_name, [item])

    way.idle()
    meter.take()
    rewritten = taken = 0
    committed = seen = 0.0
    is_true = False
    in_flight = sum(event["country"] == item["countryname"] for event in given.batch(len(batches), place))
    while not is_true and taken < MOST_BATCHES:
        events = given.batch(len(batches), place)
        produce(aws_client("kinesis"), given.stream_name, events, record_key="uuid")
        if kind == KINDS[0]:
            change("counted")
        way.run_batch(Stopwatch(), on_step=change)
        batches.append(place)
        taken += 1
        rewritten += rewrite(way.job, spark).rows
        committed = time.perf_counter()
        is_true = _is_true(way.base_path, item, given.key_rows)
        seen = time.perf_counter()
    return {
        "kind": kind,
        "is_true": is_true,
        "batches": taken,
        "rows_rewritten": rewritten,
        # Those of the batch in hand were joined with the version before.
        "rows_expected": given.key_rows + (in_flight if kind == KINDS[1] else 0),
        "seconds_to_commit": round(committed - changed_at[0], 3),
        "seconds_to_query": round(seen - changed_at[0], 3),
        "query_seconds": round(seen - committed, 3),
        "items_read": meter.take().items,
    }


def _is_true(base_path: str, item: Item, least_rows: int) -> bool:
    """Ask, without Spark, whether all rows of an item's country have its combined name."""
    table = read_table(base_path, columns=["country", "combinedname"])
    name, combined = (str(item[attribute]).replace("'", "''") for attribute in ("countryname", "combinedname"))
    sql = (
        f"select count(*) as all_rows, count_if(combinedname = '{combined}') as true_rows from t "  # noqa: S608
        f"where country = '{name}'"
    )
    found: dict[str, Any] = run_sql(table, ["t"], sql).to_pylist()[0]
    return bool(found["all_rows"] == found["true_rows"] >= least_rows)


def problems(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the changes that were followed."""
    found = []
    for number, change in enumerate(changes, start=1):
        said = f"change {number}, {change['kind']}"
        if not change["is_true"]:
            found.append(f"{said}: not in all rows after {change['batches']} batches")
        if change["batches"] > MOST_BATCHES_TO_TRUE:
            found.append(f"{said}: expected {MOST_BATCHES_TO_TRUE} batches at most, found {change['batches']}")
        for what, expected in (("rows_rewritten", change["rows_expected"]), ("items_read", 0)):
            if change[what] != expected:
                rows = what.replace("_", " ")
                found.append(f"{said}: expected {expected:,} {rows}, found {change[what]:,}")
    return found
