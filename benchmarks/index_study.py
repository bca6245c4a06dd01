"""What an index costs: seconds and requests of a warm commit, by index, table type, layout, rows, and a batch's keys.

    python -m benchmarks.index_study --rows 1000000 --layout may_move --index default,GLOBAL_SIMPLE,script
    python -m benchmarks.index_study --rows 100000 --layout flat --known 2000 --anywhere --s3

Of each table `seconds` of its commits and the median of those after the first three, which load classes and make an
index; `jobs` of Spark of the last one and, with `--s3`, its `requests` to the emulator's S3. Every table is compared
row by row; one that is wrong says so under `problems`, and the exit code is 1.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from benchmarks.arguments import TABLE_TYPES, Arguments
from benchmarks.own_process import spark_for
from benchmarks.run import Result, new_result
from benchmarks.summary.figures import LAYOUTS
from benchmarks.summary.request_count import RequestCount, counted_requests
from benchmarks.summary.wide_orders import WideOrders, wide_config
from benchmarks.todays_way import DAY, todays_options
from streamjoin.aws.clients import aws_client
from streamjoin.enrich.assembly import hudi_table
from streamjoin.entry import parse_config
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.write import bulk_insert, upsert
from streamjoin.local.stack import LocalStack
from streamjoin.spark.frames import batch_frame

DEFAULT, SCRIPT = "default", "script"
WARMUP = 3
BUCKET = "study"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "index_study.json")
    parser.number("--rows", 100_000, "rows of a table")
    parser.number("--batches", 8, f"commits, of which the first {WARMUP} don't count", least=WARMUP + 1)
    parser.number("--known", 400, "of a batch's 4,000 rows, those whose keys the table has", least=0)
    parser.add_argument("--anywhere", action="store_true", help="known keys are of all rows, not of the newest tenth")
    parser.some_of("--table-type", TABLE_TYPES, "table type")
    parser.some_of("--layout", list(LAYOUTS), "layout")
    index = f"{DEFAULT} (ours), {SCRIPT} (Hudi's defaults), or Hudi's names, commas between (default: {DEFAULT})"
    parser.add_argument("--index", type=lambda text: text.split(","), default=[DEFAULT], help=index)
    parser.add_argument("--s3", action="store_true", help="on the emulator's S3, requests counted")
    return parser.parsed(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Study each table, one after the other on one Spark."""
    args = arguments(argv)
    parameters = {name: value for name, value in vars(args).items() if name not in ("output", "parameters")}
    result: Result = new_result(parameters) | {"tables": []}
    with (
        tempfile.TemporaryDirectory(prefix="streamjoin-study-") as directory,
        LocalStack() as stack,
        stack.active(),
        counted_requests(stack.endpoint) as (endpoint, count),
    ):
        os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
        aws_client("s3").create_bucket(Bucket=BUCKET)
        root = f"s3://{BUCKET}" if args.s3 else directory
        with spark_for(directory, result, s3=args.s3) as spark:
            for kind in args.table_type:
                for layout in args.layout:
                    for index in args.index:
                        found = study(spark, args, Table(kind, layout, index, root), count)
                        result["tables"].append(found)
                        print(json.dumps(found), flush=True)
    result["problems"] = [problem for found in result["tables"] for problem in found["problems"]]
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["problems"] else 0


class Table:
    """One table of the study.

    Args:
        kind: COPY_ON_WRITE or MERGE_ON_READ.
        layout: `flat`, `fixed` or `may_move`.
        index: `default`, `script`, or a type of Hudi's.
        root: Where it lies.
    """

    def __init__(self, kind: str, layout: str, index: str, root: str) -> None:
        self.kind, self.layout, self.index = kind, layout, index
        self.base_path = f"{root}/{kind}-{layout}-{index}"
        self.by_day = layout != "flat"
        self._upsert = self._as_script if index == SCRIPT else self._ours(index)

    def commit(self, rows: DataFrame, *, is_first: bool = False) -> None:
        """Write rows in one commit."""
        rows = rows if self.by_day else rows.drop(DAY)
        self._upsert(rows, is_first)

    def _as_script(self, rows: DataFrame, is_first: bool) -> None:
        options = todays_options(self.kind, by_day=self.by_day)
        if is_first:
            options["hoodie.datasource.write.operation"] = "bulk_insert"
        rows.write.format("hudi").options(**options).mode("append").save(self.base_path)

    def _ours(self, index: str) -> Callable[[DataFrame, bool], None]:
        config = wide_config("none", self.base_path, self.kind, self.layout)
        if index != DEFAULT:
            options = {"hoodie.index.type": index}
            if index == "RECORD_INDEX":
                options |= {"hoodie.metadata.enable": "true", "hoodie.metadata.record.index.enable": "true"}
            config["sink"]["hudi"]["options"] = options
        table = hudi_table(parse_config(config))
        record_index = RecordIndex.of(table)

        def commit(rows: DataFrame, is_first: bool) -> None:
            if is_first:
                bulk_insert(rows, table, commit_metadata={}, parallelism=2)
            else:
                upsert(rows, table, commit_metadata={}, index=record_index)

        return commit


def study(spark: SparkSession, args: argparse.Namespace, table: Table, count: RequestCount) -> dict[str, Any]:
    """Fill a table, and let it take commits."""
    share = 1.0 if args.anywhere else 0.1
    orders = WideOrders("none", args.rows, args.known, share, moves=table.layout == "may_move")
    started = time.perf_counter()
    table.commit(orders.first_rows(spark, spark.sparkContext.defaultParallelism), is_first=True)
    fill_seconds = round(time.perf_counter() - started, 1)
    seconds, jobs, requests = [], 0, dict[str, int]()
    for number in range(args.batches):
        rows = batch_frame(spark, orders.rows_of(number)).persist()
        rows.count()
        group = f"{table.base_path} {number}"
        spark.sparkContext.setJobGroup(group, group)
        count.take()
        started = time.perf_counter()
        table.commit(rows)
        seconds.append(round(time.perf_counter() - started, 3))
        requests, jobs = dict(count.take()), len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))
        rows.unpersist()
    # The script's index moves no rows.
    keeps_moved = table.index == SCRIPT
    return {
        "table_type": table.kind,
        "layout": table.layout,
        "index": table.index,
        **{name: getattr(args, name) for name in ("rows", "known", "anywhere", "s3")},
        "fill_seconds": fill_seconds,
        "seconds": seconds,
        "median_seconds": statistics.median(seconds[WARMUP:]),
        "jobs": jobs,
        "requests": requests,
        "problems": orders.problems(table.base_path, args.batches, by_day=table.by_day, keeps_moved=keeps_moved),
    }


if __name__ == "__main__":
    sys.exit(main())
