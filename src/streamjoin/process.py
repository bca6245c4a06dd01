"""How a process that runs a job or a command speaks and ends: its log, its exit code, errors as text."""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from types import TracebackType
from typing import Final, Literal

from streamjoin.errors import ConfigError, StreamJoinError

log = logging.getLogger(__name__)

REMEDIES: Final = {
    **dict.fromkeys(("duckdb", "hudi"), "pip install 'streamjoin[query]'"),
    "pymysql": "pip install 'streamjoin[mysql]'",
    "prometheus_client": "pip install 'streamjoin[prometheus]', or leave metrics.prometheus_port out",
    **dict.fromkeys(
        ("rich", "typer"), "pip install 'streamjoin[cli]'. A job runs without it: streamjoin-job --config FILE"
    ),
    **dict.fromkeys(
        ("py4j", "pyspark"),
        "Glue and a cluster (spark-submit) bring Spark; on a laptop pip install 'streamjoin[local]'",
    ),
}
"""A package that the core doesn't bring -> how to get it."""


FIELDS: Final = "fields"
"""The attribute of a log record that has what a line says as JSON values; `extra={FIELDS: …}` sets it."""


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
        if package not in REMEDIES:
            raise
        _say(f"'{package}' is needed here and not installed: {REMEDIES[package]}")
        return ExitCode.FAILED
    return ExitCode.DONE


class TextLine(logging.Formatter):
    """A line of the log as text: time (UTC), level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


class JsonLine(logging.Formatter):
    """A line of the log as one JSON object: `time` (UTC), `level`, `logger`, `message`, `exception`, and `FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; whatever is in the message, it is one."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **({"exception": self.formatException(record.exc_info)} if record.exc_info else {}),
            **getattr(record, FIELDS, {}),
        }
        return json.dumps(values, default=str)


def configure_logging(level: int = logging.INFO, *, form: Literal["text", "json"] = "text") -> None:
    """Send the log to stderr, as text or as a JSON object a line; warnings of Python's own modules too, in JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLine() if form == "json" else TextLine())
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(form == "json")
    # INFO of py4j is every call into Java, that of botocore where each client found its settings.
    for name in ("py4j", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Tracebacks of what the next call raises too, if credentials can't be renewed by then.
    for name in ("botocore.credentials", "botocore.tokens"):
        logging.getLogger(name).setLevel(logging.ERROR)


def report_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one line for an error that was not foreseen; for `sys.excepthook`, after which Python exits with 1."""
    del trace
    _say(f"unexpected {kind.__name__}: {error}\nRun it as `streamjoin --debug …` to see where it came from.")


def logs_json() -> bool:
    """Tell whether the log of this process is JSON."""
    return any(isinstance(handler.formatter, JsonLine) for handler in logging.getLogger().handlers)


def _say(text: str) -> None:
    if logs_json():
        log.error("%s", text)
    else:
        print(text, file=sys.stderr)
