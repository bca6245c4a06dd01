"""How the parts of `make bench` run: in which processes, and which of them at the same time."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pyspark.sql import SparkSession

from benchmarks.own_process import in_own_process, in_own_spark
from benchmarks.run import Result
from benchmarks.summary import (
    behind,
    by_rows,
    catalog,
    commits,
    freshness,
    memory,
    references,
    requests,
    start,
    steady,
    tables,
)
from benchmarks.summary.figures import Found
from benchmarks.summary.sizes import Sizes
from streamjoin.local.stack import LocalStack

TIMED = ("steady", "behind", "backlog", "catalog", "commits", "by_day", "rows", "references")
GROWN = "grown"
OF_TABLES = ("by_day", "rows")
_LOOK_SECONDS = 0.2

Fill: TypeAlias = Callable[[SparkSession, Sizes, str], None]


def measure(sizes: Sizes, chosen: Sequence[str], result: Result) -> dict[str, Found]:
    """Return what each part has found; one that fails is an error of its own."""
    found: dict[str, Found] = {}

    def take(parts: Sequence[str], function: Callable[..., dict[str, Found]], *arguments: object, **more: Any) -> None:
        """Run one process, and take what it found."""
        begin = time.monotonic()
        try:
            found.update(function(*arguments, **more))
        except Exception as error:
            # A process that died, or that has nothing to show: the others go on.
            traceback.print_exc()
            found.update({part: Found(error=_said(error)) for part in parts if part not in found})
        print(f"{', '.join(parts) or 'prepared'}: {time.monotonic() - begin:.0f} s", file=sys.stderr)

    timed = [part for part in TIMED if part in chosen]
    if sizes.is_shared:
        # So few batches earn no second compiler.
        os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
    with (
        tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory,
        LocalStack() as items,
        LocalStack() as objects,
        LocalStack() as stack,
        stack.active(),
        ThreadPoolExecutor(3 if sizes.is_shared else 2) as pool,
    ):

        def in_spark(
            parts: Sequence[str], function: Callable[..., Any], *arguments: object, **more: Any
        ) -> Future[None]:
            folder, given = f"{directory}/spark-{function.__name__}", (sizes, directory, items.endpoint, *arguments)
            return pool.submit(take, parts, in_own_spark, result, folder, function, *given, **more)

        def alone(part: str, function: Callable[..., Found], *arguments: object) -> Future[None]:
            return pool.submit(take, [part], _one, part, function, *arguments)

        counted = [part for part in ("requests",) if part in chosen]
        on_tables = [part for part in timed if part in OF_TABLES]
        others = [part for part in timed if part not in OF_TABLES]
        # In a quick run what is timed is not alone either.
        first: list[Sequence[str]] = [on_tables, others] if sizes.is_shared else [[], timed]
        alone_from = None if sizes.is_shared else Path(directory, "alone")
        waiting: list[Future[None]] = []
        # First: in a quick run the batches that need them begin at once.
        if "references" in chosen:
            waiting.append(pool.submit(take, [], _none, fill_items, items.endpoint, (sizes.items, sizes.many_items)))
        # This takes about as long as the others together.
        fills = [tables.fill_tables] if counted or "rows" in chosen else []
        fills += [tables.fill_days] if "by_day" in chosen else []
        if fills:
            more = {"s3": bool(counted), "environ": objects.environment}
            waiting.append(in_spark([*counted, *first[0]], on_filled_tables, fills, counted, first[0], **more))
        if "memory" in chosen:
            waiting.append(alone("memory", memory.measure, sizes, directory))
        grown = [part for part in ("backlog", "commits") if part in chosen]
        last: list[Future[None]] = []
        if grown or first[1]:
            more = {"s3": "catalog" in first[1]}
            last.append(in_spark(first[1], on_grown_tables, grown, first[1], alone_from, **more))
        if alone_from:
            _wait(waiting)
            alone_from.touch()
            _wait(last)
        if "freshness" in chosen:
            waiting.append(alone("freshness", freshness.measure, sizes, directory))
        _wait([*waiting, *last])
        if "help" in chosen:
            take(["help"], lambda: {"help": start.measure()})
    growing = found.pop(GROWN, Found()).details
    if "commits" in found:
        found["commits"].details["growing"] = growing
    return found


def _wait(waiting: Sequence[Future[None]]) -> None:
    for each in waiting:
        each.result()


def _none(function: Callable[..., object], *arguments: object) -> dict[str, Found]:
    in_own_process(function, *arguments)
    return {}


def _one(part: str, function: Callable[..., Found], *arguments: object) -> dict[str, Found]:
    return {part: in_own_process(function, *arguments)}


def fill_items(endpoint: str, items: tuple[int, ...]) -> None:
    """Fill the large reference tables of other services than those of the streams."""
    with references.references_at(endpoint):
        references.fill_references(items)


def on_filled_tables(
    spark: SparkSession,
    sizes: Sizes,
    directory: str,
    endpoint: str,
    fills: Sequence[Fill],
    counted: Sequence[str],
    timed: Sequence[str],
) -> dict[str, Found]:
    """Fill large tables, count requests to copies of them on S3, and run what is timed on them."""
    for fill in fills:
        fill(spark, sizes, directory)
    found = {part: requests.measure(spark, sizes, directory) for part in counted}
    return found | run_timed(spark, sizes, directory, endpoint, timed)


def on_grown_tables(
    spark: SparkSession,
    sizes: Sizes,
    directory: str,
    endpoint: str,
    grown: Sequence[str],
    timed: Sequence[str],
    alone_from: Path | None,
) -> dict[str, Found]:
    """Put the backlog, give the old tables their commits, and run what is timed, once `alone_from` is there."""
    if "backlog" in grown:
        behind.large_batches(sizes).put()
    growing = commits.grow_old(spark, sizes.commits, directory) if "commits" in grown else {}
    # In this process, for Java is warm.
    while alone_from and not alone_from.exists():
        time.sleep(_LOOK_SECONDS)
    return {GROWN: Found(details=growing)} | run_timed(spark, sizes, directory, endpoint, timed)


def run_timed(
    spark: SparkSession, sizes: Sizes, directory: str, endpoint: str, parts: Sequence[str]
) -> dict[str, Found]:
    """Run what is timed, one part after the other in one process: its classes are loaded once."""
    measures: dict[str, Callable[[], Found]] = {
        "steady": partial(steady.measure, spark, sizes, directory),
        "behind": partial(behind.measure, spark, sizes, directory),
        "backlog": partial(behind.measure_backlog, spark, sizes, directory),
        "catalog": partial(catalog.measure, spark, sizes),
        "commits": partial(commits.measure, spark, sizes, directory),
        "by_day": partial(by_rows.measure_day, spark, sizes, directory),
        "rows": partial(by_rows.measure_rows, spark, sizes, directory),
        # Last: what it has in memory, Python's collector looks at in all that comes after it.
        "references": partial(references.measure, spark, sizes, directory, endpoint),
    }
    found = {}
    for part in parts:
        begin = time.monotonic()
        try:
            found[part] = measures[part]()
        except Exception as error:
            # One part's failure loses no other's figures.
            traceback.print_exc()
            found[part] = Found(error=_said(error))
        print(f"{part}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
