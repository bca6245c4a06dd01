"""A job that is behind: beside its floor in batches of 4,000, and beside the script in large ones."""

import statistics
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from benchmarks.expectation import batch_problems, named
from benchmarks.our_way import OurWay, job_config
from benchmarks.stopwatch import Stopwatch
from benchmarks.summary.backlog_of_orders import OrdersBacklog, drain
from benchmarks.summary.figures import TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import ITEMS, RECORDS, details
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Batch, Variant, timed
from benchmarks.workload import fill
from streamjoin.enrich.assembly import assemble, resolve_schema
from streamjoin.enrich.batch import order_batch
from streamjoin.enrich.rows import table_rows
from streamjoin.entry import parse_config
from streamjoin.hudi.write import upsert
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.streaming.batch import follow_size
from streamjoin.streaming.isolation import SetAside
from streamjoin.streaming.stream_reader import StreamReader

_SCRIPT = "script"


class Floor:
    """The same records fetched, then the same rows written with the same settings: no decode, no join, nothing between.

    The rows are made, with the job's own functions, before the clock runs.

    Args:
        spark: The session.
        settings: The configuration of the job beside it, but for the table.
    """

    def __init__(self, spark: SparkSession, settings: Mapping[str, Any]) -> None:
        config = parse_config(settings)
        stream = Stream.from_config(config.source.kinesis)
        kinesis.stream_client(stream).check()
        self.base_path = config.sink.hudi.base_path
        self._job = assemble(config, resolve_schema(config), spark)
        self._limits = BatchLimits.of(config.limits)
        start = kinesis.start(stream, config.source.kinesis, 0)
        self._reader, self._scout = (StreamReader(spark, stream, start) for _ in range(2))
        self._rows: list[DataFrame] = []

    def make(self, batches: int) -> None:
        """Make the rows of the next batches."""
        for _ in range(batches):
            batch = self._scout.next(self._limits)
            follow_size(batch)
            snapshots = self._job.current()
            with ExitStack() as kept:
                ordered, _counts = order_batch(self._job, batch, snapshots, SetAside(), kept)
                rows = table_rows(self._job, ordered).persist()
                rows.count()
            self._rows.append(rows)

    def run_batch(self, watch: Stopwatch) -> int:
        """Fetch a batch, and write its rows; return how many records."""
        batch = self._reader.next(self._limits)
        watch.lap("fetch")
        rows = self._rows.pop(0)
        tasks = follow_size(batch)
        upsert(rows, self._job.table, commit_metadata={"batch_id": batch.batch_id}, parallelism=tasks)
        watch.lap("committed")
        rows.unpersist()
        return batch.count

    def close(self) -> None:
        """Let go of the readers."""
        self._reader.close()
        self._scout.close()


def measure(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Measure batches of 4,000 beside the floor, a few of each in a row, in turns."""
    fill(ITEMS)
    # Once around for what a process loads.
    warmup = 0 if sizes.is_shared else 1
    backlog = OrdersBacklog("orders-behind", ITEMS, RECORDS, (warmup + sizes.behind_rounds) * sizes.behind)
    backlog.put()
    found = Found()
    variants: list[Variant] = []
    for kind, name in TYPES.items():
        ours = OurWay(spark, _config(backlog, f"{directory}/behind-{kind}", kind))
        floor = Floor(spark, _config(backlog, f"{directory}/floor-{kind}", kind))
        ours_all: list[Batch] = []
        floor_all: list[Batch] = []
        pair = Variant(name, []), Variant(f"{name}, floor", [])
        try:
            for number in range(warmup + sizes.behind_rounds):
                block = drain(ours, sizes.behind)
                floor.make(sizes.behind)
                floor_block = [timed(floor) for _ in range(sizes.behind)]
                ours_all += block
                floor_all += floor_block
                if number >= warmup:
                    pair[0].batches += block[1:-1]
                    pair[1].batches += floor_block[1:-1]
        finally:
            ours.close()
            floor.close()
        found.problems += named(name, _problems(backlog, ours.base_path, ours_all))
        found.problems += named(f"{name}, floor", _problems(backlog, floor.base_path, floor_all))
        found.values[f"floor {kind}"] = statistics.median(pair[0].seconds) / statistics.median(pair[1].seconds)
        variants += pair
        # The other type finds it loaded.
        warmup = 0
    found.details = details(variants)
    return found


def large_batches(sizes: Sizes) -> OrdersBacklog:
    """Return the backlog of large batches, which is put before anything is timed."""
    # The first and the last of those in a row don't count.
    return OrdersBacklog("orders-backlog", ITEMS, sizes.backlog_records, 3)


def measure_backlog(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Measure large batches beside the script's, of which one counts, between those of ours that do."""
    fill(ITEMS)
    backlog = large_batches(sizes)
    path = f"{directory}/backlog"
    script = TodaysWay(today_session(spark), backlog.stream_name, f"{path}-script", most_records=sizes.backlog_records)
    taken = {_SCRIPT: [timed(script)]}
    paths = {_SCRIPT: script.base_path}
    for kind in TYPES:
        if len(taken) > 1 and not sizes.is_shared:
            taken[_SCRIPT].append(timed(script))
        ours = OurWay(spark, _config(backlog, f"{path}-{kind}", kind))
        paths[kind] = ours.base_path
        try:
            taken[kind] = drain(ours, backlog.batches)
        finally:
            ours.close()
    found, variants = Found(), [Variant(_SCRIPT, [], 0, taken[_SCRIPT][-1:])]
    for name, each in taken.items():
        found.problems += named(name, _problems(backlog, paths[name], each))
    for kind in TYPES:
        variants.append(Variant(kind, [], 0, taken[kind][1:-1]))
        medians = [statistics.median(variant.seconds) for variant in (variants[0], variants[-1])]
        found.values[f"backlog {kind}"] = medians[0] / medians[1]
    found.details = details(variants)
    print(f"backlog, seconds: { {variant.name: variant.seconds for variant in variants} }", file=sys.stderr)
    return found


def _config(backlog: OrdersBacklog, base_path: str, kind: str) -> dict[str, Any]:
    return job_config(backlog.stream_name, base_path, kind) | {"limits": {"max_records_per_batch": backlog.records}}


def _problems(backlog: OrdersBacklog, base_path: str, batches: list[Batch]) -> list[str]:
    _, wrong = backlog.check(base_path, len(batches))
    return [*batch_problems([batch.records for batch in batches], backlog.records), *wrong]
