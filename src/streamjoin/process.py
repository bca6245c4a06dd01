"""How a process that runs a job or a command speaks and ends: its log, its exit code, errors as text."""

import logging
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import Final

from streamjoin.errors import ConfigError, StreamJoinError

# A package that the core doesn't bring -> how to get it.
_REMEDIES: Final = {
    **dict.fromkeys(("duckdb", "hudi"), "pip install 'streamjoin[query]'"),
    "pymysql": "pip install 'streamjoin[mysql]'",
    **dict.fromkeys(
        ("rich", "typer"), "pip install 'streamjoin[cli]'. A job runs without it: streamjoin-job --config FILE"
    ),
    **dict.fromkeys(
        ("py4j", "pyspark"),
        "Glue and a cluster (spark-submit) bring Spark; on a laptop pip install 'streamjoin[local]'",
    ),
}


class ExitCode(IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    FAILED = 1
    CONFIG = 2


def exit_code_of(action: Callable[[], object]) -> ExitCode:
    """Run `action`; return 0, or 2 for a wrong configuration and 1 for any other error of ours, its text on stderr.

    An extra that isn't installed is an error of ours too: whatever imports its package ends here.
    """
    try:
        action()
    except ConfigError as error:
        _say(str(error))
        return ExitCode.CONFIG
    except StreamJoinError as error:
        _say("\n".join([str(error), *getattr(error, "__notes__", ())]))
        return ExitCode.FAILED
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _REMEDIES:
            raise
        _say(f"'{package}' is needed here and not installed: {_REMEDIES[package]}")
        return ExitCode.FAILED
    return ExitCode.DONE


def configure_logging(level: int = logging.INFO) -> None:
    """Send the log to stderr, with times in UTC."""
    line = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    line.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(line)
    logging.basicConfig(level=level, handlers=[handler])
    # INFO of py4j is every call into Java, that of botocore where each client found its settings.
    for name in ("py4j", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def report_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one line for an error that was not foreseen; for `sys.excepthook`, after which Python exits with 1."""
    del trace
    _say(f"unexpected {kind.__name__}: {error}\nRun it as `streamjoin --debug …` to see where it came from.")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
