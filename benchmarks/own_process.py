"""A part of a benchmark in a process of its own: with its own Spark, and without what other parts have in memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from pyspark.sql import SparkSession

from streamjoin.spark.session import local_session

Result = TypeVar("Result")


def in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function` returns, called in a new process that ends with it; its errors are raised here.

    Args:
        function: One of a module, not of the script that was started.
        arguments: As it takes them; they and the result are pickled.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def spark_for(directory: str) -> Iterator[SparkSession]:
    """Run a Spark for the length of a `with` block.

    Args:
        directory: Where it may leave files.
    """
    spark = local_session(
        "streamjoin-bench",
        settings={
            "spark.sql.warehouse.dir": f"{directory}/warehouse",
            # Workers import the benchmarks' modules by their names.
            "spark.executorEnv.PYTHONPATH": str(Path(__file__).resolve().parent),
        },
    )
    try:
        yield spark
    finally:
        spark.stop()
