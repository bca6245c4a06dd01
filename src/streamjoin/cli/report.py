"""`streamjoin report`: a page of what a job has done."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from streamjoin.cli.arguments import moment
from streamjoin.entry import hudi_tables, load_job
from streamjoin.errors import ConfigError

if TYPE_CHECKING:
    from streamjoin.history.figures import BatchFigures
    from streamjoin.overview.overview import Overview

_AGO: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
# No history is older.
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


def write_report(config: str, output: Path, since: datetime | None) -> str:
    """Write the page of the job of a file; return what was written, in a line.

    Args:
        config: The file.
        output: Where the page is written; what is there already is replaced.
        since: From when on; None: from its beginning.

    Raises:
        ConfigError: The file is wrong, or there can be no page at `output`; nothing was read.
        StreamJoinError: What there is of the job can't be read; nothing was written.
    """
    settings = load_job(config)
    _check(output)
    from streamjoin.rendering import counted  # noqa: PLC0415
    from streamjoin.report.file_sizes import sizes_of  # noqa: PLC0415
    from streamjoin.report.page import page  # noqa: PLC0415
    from streamjoin.report.points import gathered  # noqa: PLC0415

    job = import_module(f"streamjoin.{settings.job}.status")
    overview: Overview = job.status(settings)()
    series: Iterator[BatchFigures] = job.series(settings, max(since or _EVER, _EVER))
    history, tables = gathered(series), hudi_tables(settings)
    content = page(overview, history, None if tables is None else sizes_of(tables), since)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise ConfigError([f"-o {output}: can't be written: {error.strerror}"], "streamjoin report") from error
    return f"{output}: {counted(history.batches, 'commit')} of job '{settings.name}', {len(content) / 1000:,.0f} kB"


def since_when(text: str) -> datetime:
    """Read a time in ISO 8601, or how long ago it is: `90m`, `6h`, `7d`."""
    if found := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        return moment(text)
    except typer.BadParameter:
        told = f"expected a time such as 2026-01-31T08:00:00Z, or how long ago: 90m, 6h, 7d; found {text!r}"
        raise typer.BadParameter(told) from None


def _check(output: Path) -> None:
    """Refuse what can't be written before a long history is read."""
    problem = None
    # A path has one slash of the two.
    if str(output).startswith("s3:"):
        problem = "the page is written to this machine; copy it from there"
    elif output.is_dir():
        problem = f"it is a folder; name a file in it, such as {output / 'report.html'}"
    elif not output.parent.is_dir():
        problem = f"there is no folder '{output.parent}'; make it first"
    elif not os.access(output if output.exists() else output.parent, os.W_OK):
        problem = "it isn't writable by this user"
    if problem:
        raise ConfigError([f"-o {output}: {problem}"], "streamjoin report")
