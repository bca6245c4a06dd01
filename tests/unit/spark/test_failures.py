"""Errors of Spark told apart by the classes in their chain of causes, without Spark."""

from typing import Any

import pytest
from py4j.protocol import Py4JJavaError, Py4JNetworkError
from pyspark.errors import AnalysisException, PythonException

from streamjoin.errors import SourceError
from streamjoin.spark.failures import error_name, may_pass, worker_text

STAGE = "org.apache.spark.SparkException"


class Java:
    """A throwable of Java, as py4j shows it."""

    def __init__(self, name: str, cause: "Java | None" = None, condition: str | None = None) -> None:
        self.name, self.cause, self.condition = name, cause, condition

    def getClass(self) -> "Java":
        return self

    def getName(self) -> str:
        return self.name

    def getCause(self) -> "Java | None":
        return self.cause

    def getErrorClass(self) -> str | None:
        return self.condition


class OfJava(Py4JJavaError):
    def __init__(self, *names: str, condition: str | None = None, text: str = "a value") -> None:
        java: Java | None = None
        for name in reversed(names):
            java = Java(name, java, condition if java is None else None)
        self.java_exception: Any = java
        self.errmsg, self.text = "", text

    def __str__(self) -> str:
        return self.text


def worker(last_line: str) -> PythonException:
    trace = f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    raise X\n{last_line}\n'
    return PythonException(message=f"\n  An exception was thrown from the Python worker.\n{trace}")


@pytest.mark.parametrize(
    "error",
    [
        OfJava(STAGE, "java.net.SocketException"),
        OfJava("org.apache.hudi.exception.HoodieException", "org.apache.hadoop.fs.s3a.AWSServiceIOException"),
        OfJava(STAGE, "org.apache.spark.shuffle.FetchFailedException"),
        OfJava(STAGE, text="Lost task 0.0: ExecutorLostFailure (executor 1 exited)"),
        worker("botocore.exceptions.EndpointConnectionError: Could not connect"),
        worker("streamjoin.errors.ReferenceTableError: table 't': throttled"),
        worker("ModuleNotFoundError: No module named 'streamjoin'"),
        Py4JNetworkError("Answer from Java side is empty"),
        OSError("disk"),
        SourceError("gone"),
    ],
)
def test_an_error_of_a_service_a_disk_or_a_lost_executor_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (OfJava(STAGE, "java.lang.OutOfMemoryError"), "java.lang.OutOfMemoryError"),
        (worker("MemoryError"), "MemoryError"),
        (OfJava(STAGE, "java.time.zone.ZoneRulesException"), "java.time.zone.ZoneRulesException"),
        (
            OfJava(STAGE, "org.apache.spark.SparkDateTimeException", condition="CAST_INVALID_INPUT"),
            "org.apache.spark.SparkDateTimeException: [CAST_INVALID_INPUT]",
        ),
        (OfJava("org.apache.hudi.exception.HoodieException"), "org.apache.hudi.exception.HoodieException"),
        (worker("OverflowError: 99999999999 is too large"), "OverflowError"),
        (worker("pyarrow.lib.ArrowInvalid: a value\nof_lines: with: colons"), "pyarrow.lib.ArrowInvalid"),
        (AnalysisException(message="[X] a value"), "AnalysisException"),
    ],
)
def test_an_error_of_the_records_does_not_pass_and_is_named_without_their_values(error: Exception, name: str) -> None:
    assert error_name(error) == name
    assert isinstance(error, AnalysisException) or not may_pass(error)


def test_what_a_worker_said_is_the_line_behind_its_last_traceback() -> None:
    said = "botocore.exceptions.ClientError: throttled: slow down"
    assert worker_text(worker(said)) == said
    assert worker_text(OfJava(STAGE, "java.net.SocketException")) is None
