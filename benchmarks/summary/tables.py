"""The large tables that the parts by rows start from: filled once of each kind, and copied."""

import shutil
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.summary.figures import TYPES
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.wide_orders import WideOrders, fill_wide, wide_config
from benchmarks.todays_way import todays_options
from streamjoin.enrich.assembly import hudi_table
from streamjoin.entry import parse_config
from streamjoin.hudi.record_index.index import RecordIndex

SCRIPT = "script"
# What Hudi calls the files of an instant of a copy-on-write table, and of a merge-on-read one.
_DELTA_NAMES = {
    ".commit.requested": ".deltacommit.requested",
    ".inflight": ".deltacommit.inflight",
    ".commit": ".deltacommit",
}


def path_of(directory: str, kind: str, layout: str, rows: int) -> str:
    """Return where a table lies."""
    return f"{directory}/{kind}-{layout}-{rows}"


def fill_tables(spark: SparkSession, sizes: Sizes, directory: str) -> None:
    """Fill the tables of few rows and of many."""
    for rows in (sizes.few_rows, sizes.many_rows):
        for kind in TYPES:
            fill_table(spark, directory, kind, "flat", rows)
        _fill_by_day(spark, directory, ("fixed", "may_move"), rows)


def fill_days(spark: SparkSession, sizes: Sizes, directory: str) -> None:
    """Fill the tables by day at which the script is compared, and the script's own."""
    _fill_by_day(spark, directory, ("may_move",), sizes.day_rows)
    _fill_script(spark, directory, sizes.day_rows)


def _fill_by_day(spark: SparkSession, directory: str, layouts: Sequence[str], rows: int) -> None:
    """Fill one whose rows may move, and copy it: the first commit of both table types and layouts has one content."""
    kind, layout = "COPY_ON_WRITE", "may_move"
    made = fill_table(spark, directory, kind, layout, rows)
    for copied in product(TYPES, layouts):
        if copied != (kind, layout):
            _copy(made, path_of(directory, *copied, rows), *copied)


def fill_table(spark: SparkSession, directory: str, kind: str, layout: str, rows: int) -> str:
    """Fill a table of ours, and make its index if it has one; return where it lies."""
    base_path = path_of(directory, kind, layout, rows)
    started = time.perf_counter()
    name = Path(base_path).name
    config = wide_config(name, base_path, kind, layout)
    fill_wide(spark, WideOrders(name, rows), config)
    # Once for all copies. A job would do it in its first batch.
    if index := RecordIndex.of(hudi_table(parse_config(config))):
        index.follow(spark)
    print(f"'{name}' filled in {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return base_path


def _copy(made: str, base_path: str, kind: str, layout: str) -> None:
    """Copy a table; the copy's only commit says that its job reads another stream, which has the table's name too."""
    # Hadoop's checksums, of what is changed too; and the index, if rows stay.
    left = ("*.crc",) if layout == "may_move" else ("*.crc", ".streamjoin")
    shutil.copytree(made, base_path, ignore=shutil.ignore_patterns(*left))
    timeline = Path(base_path, ".hoodie")
    properties = timeline / "hoodie.properties"
    properties.write_text(properties.read_text().replace("table.type=COPY_ON_WRITE", f"table.type={kind}"))
    (commit,) = timeline.glob("*.commit")
    commit.write_text(commit.read_text().replace(Path(made).name, Path(base_path).name))
    if kind == "MERGE_ON_READ":
        for name in _DELTA_NAMES.items():
            before, after = (commit.with_suffix(each) for each in name)
            before.rename(after)


def _fill_script(spark: SparkSession, directory: str, rows: int) -> None:
    """Fill the script's table by day."""
    options = todays_options("COPY_ON_WRITE", by_day=True) | {"hoodie.datasource.write.operation": "bulk_insert"}
    frame = WideOrders("none", rows).first_rows(spark, spark.sparkContext.defaultParallelism)
    frame = frame.drop(*(column for column in frame.columns if column.startswith("_")))
    frame.write.format("hudi").options(**options).mode("append").save(path_of(directory, SCRIPT, "may_move", rows))
