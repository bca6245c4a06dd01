"""A part of a benchmark in a process of its own: with its own Spark, and without what other parts have in memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from benchmarks.run import ROOT, Result, versions
from streamjoin.spark.session import local_session

Found = TypeVar("Found")


def in_own_spark(result: Result, directory: str, function: Callable[..., Found], *arguments: object) -> Found:
    """Return what `function` returns, called in a new process with a new Spark; its errors are raised here.

    Args:
        result: Gets the versions that it ran on.
        directory: Where Spark may leave files.
        function: One of a module, not of the script that was started; takes the session, then the arguments.
        arguments: They and what is returned are pickled.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        found: Found
        found, measured_on = pool.submit(_called, directory, function, arguments).result()
    result["versions"] |= measured_on
    return found


def _called(directory: str, function: Callable[..., Any], arguments: tuple[object, ...]) -> tuple[Any, dict[str, str]]:
    measured_on: Result = {"versions": {}}
    with spark_for(directory, measured_on) as spark:
        return function(spark, *arguments), measured_on["versions"]


@contextmanager
def spark_for(directory: str, result: Result) -> Iterator[SparkSession]:
    """Run a Spark for the length of a `with` block; `result` gets its versions."""
    settings = {
        "spark.sql.warehouse.dir": f"{directory}/warehouse",
        # Workers import the benchmarks' modules by their names.
        "spark.executorEnv.PYTHONPATH": str(ROOT),
    }
    spark = local_session("streamjoin-bench", settings=settings)
    try:
        result["versions"] |= versions(spark)
        yield spark
    finally:
        spark.stop()
