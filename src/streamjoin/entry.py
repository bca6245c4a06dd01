"""What every way of starting a job shares: its log, its exit codes, and the text of an error instead of a traceback."""

import logging
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING

from streamjoin.errors import ConfigError, StreamJoinError

if TYPE_CHECKING:
    from streamjoin.replicate.runner import ReplicationSummary
    from streamjoin.streaming.runner import RunSummary

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    FAILED = 1
    CONFIG = 2


def exit_code_of(action: Callable[[], object]) -> ExitCode:
    """Run `action`; return 0, or 2 for a wrong configuration and 1 for any other error of ours, its text on stderr."""
    try:
        action()
    except ConfigError as error:
        _say(str(error))
        return ExitCode.CONFIG
    except StreamJoinError as error:
        _say(str(error))
        return ExitCode.FAILED
    return ExitCode.DONE


def run_enrich(config: str, *, until_caught_up: bool = False, max_batches: int | None = None) -> None:
    """Run the job that the file `config` describes; log what it does.

    Args:
        config: A local path or `s3://…`.
        until_caught_up: Stop when there is nothing left to read.
        max_batches: Stop after so many micro-batches.

    Raises:
        ConfigError: The configuration is wrong; nothing was started.
        StreamJoinError: The job can't go on.
    """
    # Spark isn't imported before the configuration is known to be good.
    from streamjoin.config import load_config  # noqa: PLC0415

    settings = load_config(config)
    configure_logging()
    from streamjoin.enrich.pipeline import run  # noqa: PLC0415

    _log_end(settings.name, run(settings, until_caught_up=until_caught_up, max_batches=max_batches))


def run_capture(config: str, *, until_caught_up: bool = False, max_batches: int | None = None) -> None:
    """Run the job `capture` that the file `config` describes; arguments and errors as those of `run_enrich`."""
    from streamjoin.config import CaptureConfig, load_job  # noqa: PLC0415

    settings = load_job(config)
    if not isinstance(settings, CaptureConfig):
        raise _another_job(settings.job, "capture", config)
    configure_logging()
    from streamjoin.capture.pipeline import run  # noqa: PLC0415

    _log_end(settings.name, run(settings, until_caught_up=until_caught_up, max_batches=max_batches))


def run_backfill(config: str) -> None:
    """Run the job `backfill` that the file `config` describes to its end; the report is its last line.

    Args:
        config: A local path or `s3://…`.

    Raises:
        ConfigError: The configuration is wrong, or it is another job's; nothing was started.
        StreamJoinError: The job can't go on; the next start does.
    """
    from streamjoin.config import BackfillConfig, load_job  # noqa: PLC0415

    settings = load_job(config)
    if not isinstance(settings, BackfillConfig):
        raise _another_job(settings.job, "backfill", config)
    configure_logging()
    from streamjoin.backfill.pipeline import run  # noqa: PLC0415

    run(settings)


def run_replicate(
    config: str, *, until_caught_up: bool = False, max_batches: int | None = None, reload: bool = False
) -> None:
    """Run the job `replicate` that the file `config` describes; log what it does.

    Args:
        config: A local path or `s3://…`.
        until_caught_up: Stop when all has been written that was in the binlog when following it began.
        max_batches: Stop after so many batches.
        reload: Load all tables first, whatever was loaded before.

    Raises:
        ConfigError: The configuration is wrong, or it is another job's; nothing was started.
        StreamJoinError: The job can't go on.
    """
    from streamjoin.config import ReplicateConfig, load_job  # noqa: PLC0415

    settings = load_job(config)
    if not isinstance(settings, ReplicateConfig):
        raise _another_job(settings.job, "replicate", config)
    configure_logging()
    from streamjoin.replicate.pipeline import run  # noqa: PLC0415

    _log_end(settings.name, run(settings, until_caught_up=until_caught_up, max_batches=max_batches, reload=reload))


def run_job(
    config: str, *, until_caught_up: bool = False, max_batches: int | None = None, reload: bool = False
) -> None:
    """Run the job that the file `config` describes, whichever it is; errors as those of the job's own function.

    Args:
        config: A local path or `s3://…`.
        until_caught_up: Stop when there is nothing left to read; a backfill does so anyway.
        max_batches: Stop after so many micro-batches; a backfill has none.
        reload: Load all tables first; for `job: replicate` alone.
    """
    from streamjoin.config import load_job  # noqa: PLC0415

    job = load_job(config).job
    if reload and job != "replicate":
        raise ConfigError([f"--reload: allowed with job: replicate only; found job: {job}"], config)
    if max_batches is not None and job == "backfill":
        raise ConfigError(["--max-batches: found with job: backfill, which ends by itself; leave it out"], config)
    match job:
        case "enrich":
            run_enrich(config, until_caught_up=until_caught_up, max_batches=max_batches)
        case "capture":
            run_capture(config, until_caught_up=until_caught_up, max_batches=max_batches)
        case "backfill":
            run_backfill(config)
        case "replicate":
            run_replicate(config, until_caught_up=until_caught_up, max_batches=max_batches, reload=reload)


def _another_job(found: str, expected: str, config: str) -> ConfigError:
    return ConfigError([f"job: found '{found}'; expected here: {expected}"], config)


def _log_end(name: str, summary: "RunSummary | ReplicationSummary") -> None:
    log.info(
        "job=%s ended batches=%d records=%d caught_up=%s",
        *(name, summary.batches, summary.records, summary.caught_up),
    )


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
    """Print one line for an error that nobody foresaw; for `sys.excepthook`, after which Python exits with 1."""
    del trace
    _say(f"unexpected {kind.__name__}: {error}\nRun it as `streamjoin --debug …` to see where it came from.")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
