"""`streamjoin doctor`: what a job will meet, as a table or as JSON."""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamjoin.config.file import read_config
from streamjoin.doctor.checks import examine
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Status
from streamjoin.doctor.lines import MARKS, Line, plain_lines, summary
from streamjoin.entry import load_job
from streamjoin.replicate.config import ReplicateConfig

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLOURS: Final = {Status.GOOD: "green", Status.BAD: "bold red", Status.UNKNOWN: "yellow"}
_DIM: Final = "bright_black"
# Below this a column for what was looked at leaves too little for what was found.
_WIDE: Final = 100
_MIN_SECRET_CHARACTERS: Final = 4


def show_findings(config: str, *, as_json: bool) -> bool:
    """Look at everything that the job of a file will meet, and print it.

    Args:
        config: The file.
        as_json: Whether to print JSON.

    Returns:
        Whether nothing is bad.

    Raises:
        ConfigError: The file is wrong; nothing was looked at.
    """
    settings = load_job(config)
    hide = _hiding(config, settings)
    context = Context(settings)
    with _without_log():
        if as_json:
            lines = [_hidden(line, hide) for line in examine(context)]
            print(json.dumps(_document(settings.name, settings.job, lines), indent=2, ensure_ascii=False))
        else:
            lines = _printed(context, hide)
    return not any(finding.status is Status.BAD for _, finding in lines)


def _printed(context: Context, hide: Callable[[str], str]) -> list[Line]:
    from rich.console import Console  # noqa: PLC0415  (JSON needs none)

    console = Console(highlight=False)
    lines: list[Line] = []
    waiting = console.status("") if console.is_terminal else nullcontext()
    with waiting as status:

        def begin(name: str) -> None:
            if status is not None:
                status.update(f"[{_DIM}]looking at {name} …[/]")

        lines = [_hidden(line, hide) for line in examine(context, begin)]
    if console.is_terminal:
        _draw(console, context, lines)
        console.print()
    else:
        for line in plain_lines(lines):
            print(line)
    counts = Counter(finding.status for _, finding in lines)
    console.print(summary(counts), style=_COLOURS[Status.BAD] if counts[Status.BAD] else "bold green")
    return lines


def _draw(console: "Console", context: Context, lines: list[Line]) -> None:
    from rich.text import Text  # noqa: PLC0415

    config = context.config
    console.print(Text.assemble((config.name, "bold"), (f"  {config.job}", _DIM)))
    console.print(table_of(lines, console.width))


def table_of(lines: list[Line], width: int) -> "Table":
    """Return what a terminal of this width shows: by group a mark, what was looked at, what was found, what to do."""
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False, expand=True)
    table.add_column(width=1)
    is_wide = width >= _WIDE
    if is_wide:
        table.add_column(width=32, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    last = None
    for check, each in lines:
        if check.group != last:
            heading = Padding(Text(check.group, style="bold cyan"), (1, 0, 0, 0))
            table.add_row("", heading, *([""] if is_wide else []))
            last = check.group
        mark = Text(MARKS[each.status], style=_COLOURS[each.status])
        remedy = (
            [Text(f"\n→ {each.remedy}", style="default" if each.status is Status.BAD else _DIM)] if each.remedy else []
        )
        if is_wide:
            table.add_row(mark, Text(each.what), Text.assemble(each.found, *remedy))
        else:
            table.add_row(mark, Text.assemble((each.what, "bold"), f": {each.found}", *remedy))
    return table


def _document(name: str, job: str, lines: list[Line]) -> dict[str, Any]:
    counts = Counter(finding.status for _, finding in lines)
    return {
        "name": name,
        "job": job,
        "good": not counts[Status.BAD],
        "counts": {status.value: counts[status] for status in Status},
        "findings": [
            {
                "check": check.name,
                "status": each.status.value,
                "what": each.what,
                "found": each.found,
                "remedy": each.remedy,
            }
            for check, each in lines
        ],
    }


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep the log off the screen: what is worth a line here is one already."""
    log, nowhere = logging.getLogger("streamjoin"), logging.NullHandler()
    log.addHandler(nowhere)
    try:
        yield
    finally:
        log.removeHandler(nowhere)


def _hidden(line: Line, hide: Callable[[str], str]) -> Line:
    check, each = line
    return check, replace(each, what=hide(each.what), found=hide(each.found), remedy=hide(each.remedy))


def _hiding(path: str, settings: object) -> Callable[[str], str]:
    """Return what takes secrets of the configuration out of a text, whatever a service or a driver quotes."""
    raw = read_config(path, os.environ)
    if isinstance(settings, ReplicateConfig) and settings.source.mysql.password is not None:
        password = settings.source.mysql.password.get_secret_value()
        # A shorter one would be found everywhere (docs/security.md).
        if len(password) >= _MIN_SECRET_CHARACTERS:
            raw.secrets.setdefault(password, "password")
    return raw.redact
