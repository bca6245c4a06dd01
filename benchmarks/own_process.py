"""A part of a benchmark in a process of its own: with its own Spark, and without what other parts have in memory."""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from types import MappingProxyType
from typing import Any, TypeVar

from pyspark.sql import SparkSession

from benchmarks.run import ROOT, Result, versions
from streamjoin.spark import class_archive
from streamjoin.spark.session import local_session

Found = TypeVar("Found")


def in_own_spark(
    result: Result,
    directory: str,
    function: Callable[..., Found],
    *arguments: object,
    s3: bool = False,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Found:
    """Return what `function` returns, called in a new process with a new Spark; its errors are raised here.

    Args:
        result: Gets the versions that it ran on.
        directory: Where Spark may leave files.
        function: One of a module, not of the script that was started; takes the session, then the arguments.
        arguments: They and what is returned are pickled.
        s3: Whether Spark can use `s3://` paths.
        environ: More of the environment, also that of Java and of its workers.
    """
    found: Found
    found, measured_on = in_own_process(_called, directory, function, arguments, s3, dict(environ))
    result["versions"] |= measured_on
    return found


def in_own_process(function: Callable[..., Found], *arguments: object) -> Found:
    """Return what `function` returns, called in a new process, which is given this one's environment.

    Raises:
        RuntimeError: Whatever it raised: errors of Java and of hudi-rs can't be sent from process to process.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_told, function, arguments).result()


def _told(function: Callable[..., Found], arguments: tuple[object, ...]) -> Found:
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        raise RuntimeError(message) from None


def _end_with_parent() -> None:
    """End, and Java with it, if the benchmark was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _called(
    directory: str, function: Callable[..., Any], arguments: tuple[object, ...], s3: bool, environ: dict[str, str]
) -> tuple[Any, dict[str, str]]:
    os.environ |= environ
    measured_on: Result = {"versions": {}}
    with spark_for(directory, measured_on, s3=s3) as spark:
        found = function(spark, *arguments)
        # As a job does: the next one starts sooner.
        class_archive.keep()
        return found, measured_on["versions"]


@contextmanager
def spark_for(directory: str, result: Result, *, s3: bool = False) -> Iterator[SparkSession]:
    """Run a Spark for the length of a `with` block; `result` gets its versions.

    Args:
        directory: Where it may leave files.
        result: Gets its versions.
        s3: Whether it can use `s3://` paths.
    """
    settings = {
        "spark.sql.warehouse.dir": f"{directory}/warehouse",
        # Workers import the benchmarks' modules by their names.
        "spark.executorEnv.PYTHONPATH": str(ROOT),
    }
    spark = local_session("streamjoin-bench", s3=s3, settings=settings)
    try:
        result["versions"] |= versions(spark)
        yield spark
    finally:
        spark.stop()
