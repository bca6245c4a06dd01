"""What an error that Spark raised is about: the records, or what may be better at the next try."""

import re
from collections.abc import Iterator
from typing import Any, Final

# Of Java: what a service, a disk or a lost executor raises, wherever it is in the chain of causes. Not what memory
# does: one record may ask for more than there is (`repeat` with a number of the record). If it isn't a record, none is
# found, and the batch is tried again.
_PASSING_JAVA: Final = (
    "java.io.",
    "java.net.",
    "java.nio.",
    "java.lang.InterruptedException",
    "java.lang.NoClassDefFoundError",
    "java.util.concurrent.TimeoutException",
    "com.amazonaws.",
    "software.amazon.",
    "org.apache.hadoop.",
    "org.apache.hudi.exception.HoodieIOException",
    "org.apache.hudi.exception.HoodieLockException",
    "org.apache.hudi.exception.HoodieWriteConflictException",
    "org.apache.spark.shuffle.",
    "org.apache.spark.storage.",
    "org.apache.spark.rpc.",
)
# Without a cause that says so.
_PASSING_WORDS: Final = ("ExecutorLostFailure", "SparkContext was shut down", "stopped SparkContext", "cancelled")
# Of Python's workers: services, the machine, or a worker that lacks a package; ours say by themselves what is wrong.
_PASSING_PYTHON: Final = (
    "botocore.",
    "boto3.",
    "urllib3.",
    "http.",
    "socket.",
    "ssl.",
    "streamjoin.errors.",
    "OSError",
    "IOError",
    "FileNotFoundError",
    "PermissionError",
    "ConnectionError",
    "ConnectionResetError",
    "ConnectionRefusedError",
    "BrokenPipeError",
    "TimeoutError",
    "EOFError",
    "ImportError",
    "ModuleNotFoundError",
    "KeyboardInterrupt",
    "SystemExit",
)
_PYTHON_ERROR: Final = re.compile(r"^[A-Za-z_][\w.]*(?::.*)?$", re.MULTILINE)


def may_pass(error: BaseException) -> bool:
    """Tell whether the error is of a service, a disk or a lost executor, and not of the records at hand."""
    if not _is_of_spark(error):
        return True
    worker = _python_error(str(error))
    if worker is not None:
        return worker.startswith(_PASSING_PYTHON)
    causes = list(_causes(error))
    if not causes and getattr(error, "java_exception", None) is None and not hasattr(error, "getErrorClass"):
        return True
    text = str(error)
    return any(name.startswith(_PASSING_JAVA) for name in causes) or any(word in text for word in _PASSING_WORDS)


def error_name(error: BaseException) -> str:
    """Return the class of the innermost error, or Spark's own with its condition; never a text: it quotes values."""
    worker = _python_error(str(error))
    if worker is not None:
        return worker
    java, name, found = getattr(error, "java_exception", None), "", ""
    while java is not None:
        name = str(java.getClass().getName())
        if name.startswith("org.apache.spark.Spark") and (condition := _condition(java)):
            found = f"{name}: [{condition}]"
        java = java.getCause()
    if found:
        return found
    own = getattr(error, "getErrorClass", None)
    condition = own() if own is not None and not name else None
    return name or (f"{type(error).__name__}: [{condition}]" if condition else type(error).__name__)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something, else its class."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def worker_text(error: BaseException) -> str | None:
    """Return the line with which a Python worker's traceback ends; None if the error isn't of one."""
    return _python_line(str(error))


def _is_of_spark(error: BaseException) -> bool:
    return any(each.__module__.startswith(("pyspark.", "py4j.")) for each in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[str]:
    java = getattr(error, "java_exception", None)
    while java is not None:
        yield str(java.getClass().getName())
        java = java.getCause()


def _condition(java: Any) -> str | None:
    found = java.getErrorClass()
    return None if found is None else str(found)


def _python_error(text: str) -> str | None:
    """Return the class of what a Python worker raised."""
    line = _python_line(text)
    return line.partition(":")[0] if line is not None else None


def _python_line(text: str) -> str | None:
    """Return the first line at the margin behind the last traceback."""
    _, mark, trace = text.rpartition("Traceback (most recent call last):")
    found = _PYTHON_ERROR.search(trace) if mark else None
    return found[0] if found else None
