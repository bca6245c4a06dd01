"""The large tables that the parts by rows start from: filled once of each kind, and copied."""

import shutil
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.summary.figures import TYPES
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.wide_orders import WideOrders, fill_wide, wide_config
from benchmarks.todays_way import todays_options

SCRIPT = "script"


def path_of(directory: str, kind: str, layout: str, rows: int) -> str:
    """Return where a table lies."""
    return f"{directory}/{kind}-{layout}-{rows}"


def fill_tables(spark: SparkSession, sizes: Sizes, directory: str) -> None:
    """Fill the tables of few rows and of many."""
    for rows in (sizes.few_rows, sizes.many_rows):
        for kind in TYPES:
            fill_table(spark, directory, kind, "flat", rows)
            # Where rows stay and where they may move the files are the same: the index is made at the first batch.
            made = fill_table(spark, directory, kind, "fixed", rows)
            _copy(made, path_of(directory, kind, "may_move", rows))


def fill_days(spark: SparkSession, sizes: Sizes, directory: str) -> None:
    """Fill the tables by day at which the script is compared, and the script's own."""
    for kind in TYPES:
        fill_table(spark, directory, kind, "may_move", sizes.day_rows)
    _fill_script(spark, directory, sizes.day_rows)


def fill_table(spark: SparkSession, directory: str, kind: str, layout: str, rows: int) -> str:
    """Fill a table of ours; return where it lies."""
    base_path = path_of(directory, kind, layout, rows)
    started = time.perf_counter()
    name = Path(base_path).name
    fill_wide(spark, WideOrders(name, rows), wide_config(name, base_path, kind, layout))
    print(f"'{name}' filled in {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return base_path


def _copy(made: str, base_path: str) -> None:
    """Copy a table; the copy's only commit says that its job reads another stream, which has the table's name too."""
    shutil.copytree(made, base_path)
    (commit,) = Path(base_path, ".hoodie").glob("*commit")
    commit.write_text(commit.read_text().replace(Path(made).name, Path(base_path).name))
    # Hadoop's checksum of what it was.
    commit.with_name(f".{commit.name}.crc").unlink()


def _fill_script(spark: SparkSession, directory: str, rows: int) -> None:
    """Fill the script's table by day."""
    options = todays_options("COPY_ON_WRITE", by_day=True) | {"hoodie.datasource.write.operation": "bulk_insert"}
    frame = WideOrders("none", rows).first_rows(spark, spark.sparkContext.defaultParallelism)
    frame = frame.drop(*(column for column in frame.columns if column.startswith("_")))
    frame.write.format("hudi").options(**options).mode("append").save(path_of(directory, SCRIPT, "may_move", rows))
