"""What an index costs a commit of 4,000 rows: seconds or requests, by table type, layout, rows, and a batch's keys.

    python -m benchmarks.index_study --rows 100000,1000000
    python -m benchmarks.index_study --rows 100000 --s3
    python -m benchmarks.index_study --rows 3000000 --layout may_move --index default,GLOBAL_SIMPLE --hold "10 % near"

All tables of a table type, layout and size take a commit each, in turns, round after round: what a batch holds changes
from round to round, so that each table sees all. The first rounds, which load classes and make an index, don't count.
On the emulator's S3 (`--s3`) requests are counted, not seconds. Every table is compared row by row; one that is wrong
says so under `problems`, and the exit code is 1. A run adds to the output's file; what it measures again takes the
place of what was there.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
BUCKET = "study"
# Known keys of 4,000, and of which share of the table's first rows they are.
HOLDS = {
    "all new": (0, 1.0),
    "10 % near": (400, 0.1),
    "50 % near": (2_000, 0.1),
    "10 % anywhere": (400, 1.0),
    "50 % anywhere": (2_000, 1.0),
}
_WARM = "10 % near"
# Without partitions, and where rows stay, a global index finds what the plain one does, in more files. A bucket index
# is the default but for these; of rows that may move it would keep the old one too.
INDEXES = {
    ("COPY_ON_WRITE", "flat"): (DEFAULT, "BUCKET", "SIMPLE", "BLOOM", "RECORD_INDEX", SCRIPT),
    ("MERGE_ON_READ", "flat"): (DEFAULT, "SIMPLE", "BLOOM", "RECORD_INDEX", SCRIPT),
    **{(kind, "fixed"): (DEFAULT, "SIMPLE", "BLOOM", "RECORD_INDEX", SCRIPT) for kind in TABLE_TYPES},
    **{(kind, "may_move"): (DEFAULT, "GLOBAL_SIMPLE", "GLOBAL_BLOOM", "RECORD_INDEX", SCRIPT) for kind in TABLE_TYPES},
}
_MORE = {"RECORD_INDEX": {"hoodie.metadata.enable": "true", "hoodie.metadata.record.index.enable": "true"}}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "index_study.json")
    parser.add_argument("--rows", type=_numbers, default=[10**5, 10**6], help="of the tables (default: 10^5,10^6)")
    parser.number("--warmup", 2, "commits of each table that don't count", least=0)
    parser.number("--rounds", 1, "commits of each table for each that a batch may hold")
    parser.some_of("--hold", list(HOLDS), "content of a batch")
    parser.some_of("--table-type", TABLE_TYPES, "table type")
    parser.some_of("--layout", list(LAYOUTS), "layout")
    every = sorted({index for indexes in INDEXES.values() for index in indexes})
    parser.some_of("--index", every, "index")
    parser.add_argument("--s3", action="store_true", help="on the emulator's S3, requests counted")
    return parser.parsed(argv)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


@dataclass(frozen=True)
class StudiedOrders(WideOrders):
    """Batches each of which holds what it is told.

    Args:
        holds: Of each batch, a name of `HOLDS`.
    """

    holds: tuple[str, ...] = ()

    def held(self, batch: int) -> tuple[int, float]:
        """Return how many keys of a batch are known, and among which share of the first rows."""
        return HOLDS[self.holds[batch]]


class Table:
    """One table of the study.

    Args:
        kind: COPY_ON_WRITE or MERGE_ON_READ.
        layout: `flat`, `fixed` or `may_move`.
        index: `default` (ours), `script` (Hudi's defaults), or a type of Hudi's.
        root: Where it lies.
    """

    def __init__(self, kind: str, layout: str, index: str, root: str) -> None:
        self.kind, self.layout, self.index = kind, layout, index
        self.base_path = f"{root}/{kind}-{layout}-{index}"
        self.by_day = layout != "flat"
        self.seconds: list[float] = []
        self.requests: list[dict[str, int]] = []
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
        table = hudi_table(parse_config(wide_config("none", self.base_path, self.kind, self.layout)))
        if index != DEFAULT:
            # A configuration may not turn on the metadata table.
            table = replace(table, options={"hoodie.index.type": index, **_MORE.get(index, {})})
        record_index = RecordIndex.of(table)

        def commit(rows: DataFrame, is_first: bool) -> None:
            if is_first:
                bulk_insert(rows, table, commit_metadata={}, parallelism=2)
            else:
                upsert(rows, table, commit_metadata={}, index=record_index)

        return commit


def main(argv: Sequence[str] | None = None) -> int:
    """Study each group of tables, one after the other on one Spark."""
    args = arguments(argv)
    result: Result = new_result({}) | {"tables": []}
    if args.output.exists():
        result["tables"] = json.loads(args.output.read_text())["tables"]
    with (
        tempfile.TemporaryDirectory(prefix="streamjoin-study-") as directory,
        LocalStack() as stack,
        stack.active(),
        counted_requests(stack.endpoint) as (endpoint, count),
        spark_for(directory, result, s3=args.s3) as spark,
    ):
        if args.s3:
            os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
            spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", endpoint)  # noqa: SLF001
            aws_client("s3").create_bucket(Bucket=BUCKET)
        root = f"s3://{BUCKET}" if args.s3 else f"{directory}/tables"
        for rows in args.rows:
            for kind in args.table_type:
                for layout in args.layout:
                    given = f"{root}/{rows}"
                    tables = [Table(kind, layout, each, given) for each in INDEXES[kind, layout] if each in args.index]
                    for found in study(spark, args, rows, tables, count):
                        result["tables"] = [each for each in result["tables"] if _place(each) != _place(found)]
                        result["tables"].append(found)
                        print(json.dumps(found), flush=True)
                    result["problems"] = [problem for each in result["tables"] for problem in each["problems"]]
                    args.output.write_text(json.dumps(result, indent=2) + "\n")
                    shutil.rmtree(directory + "/tables", ignore_errors=True)
    return 1 if result["problems"] else 0


def _place(found: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(found[name] for name in ("rows", "table_type", "layout", "index", "s3"))


def study(
    spark: SparkSession, args: argparse.Namespace, rows: int, tables: Sequence[Table], count: RequestCount
) -> list[dict[str, Any]]:
    """Fill the tables of a type, a layout and a size, let them take commits in turns, and compare their rows."""
    if not tables:
        return []
    holds = (*[_WARM] * args.warmup, *[hold for _ in range(args.rounds) for hold in args.hold])
    orders = StudiedOrders("none", rows, moves=tables[0].layout == "may_move", holds=holds)
    for table in tables:
        table.commit(orders.first_rows(spark, spark.sparkContext.defaultParallelism), is_first=True)
    for number in range(len(holds)):
        batch = batch_frame(spark, orders.rows_of(number)).persist()
        batch.count()
        # Each takes each place of a round in turn.
        turn = number % len(tables)
        for table in (*tables[turn:], *tables[:turn]):
            count.take()
            started = time.perf_counter()
            table.commit(batch)
            table.seconds.append(round(time.perf_counter() - started, 3))
            table.requests.append(dict(count.take()))
        batch.unpersist()
    return [_found(args, orders, table) for table in tables]


def _found(args: argparse.Namespace, orders: StudiedOrders, table: Table) -> dict[str, Any]:
    seconds, requests = dict[str, list[float]](), dict[str, list[int]]()
    for hold, taken, asked in list(zip(orders.holds, table.seconds, table.requests, strict=True))[args.warmup :]:
        seconds.setdefault(hold, []).append(taken)
        requests.setdefault(hold, []).append(sum(asked.values()))
    figures = {hold: statistics.median(each) for hold, each in (requests if args.s3 else seconds).items()}
    return {
        "rows": orders.rows,
        "table_type": table.kind,
        "layout": table.layout,
        "index": table.index,
        "s3": args.s3,
        "median": figures,
        "commits": table.requests if args.s3 else table.seconds,
        # The script's index moves no rows.
        "problems": orders.problems(
            table.base_path, len(orders.holds), by_day=table.by_day, keeps_moved=table.index == SCRIPT
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
