"""How far long work is: a bar on a terminal, a line of the log now and then elsewhere, nothing within a second."""

import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

_FIRST_SECONDS: Final = 1.0
_LINE_SECONDS: Final = 30.0
# A batch may take a minute: what is left is told by the rate of several.
_SPEED_SECONDS: Final = 600.0
# Work may tell as often as it likes.
_REDRAW_SECONDS: Final = 0.1

Tell: TypeAlias = Callable[[float, float | None, str], None]
"""Takes how much is done, of how much (None: not known), and of what, such as "items"."""


def tell_nobody(done: float, total: float | None, unit: str) -> None:
    """Take it, and show nothing."""
    del done, total, unit


def draws_bars(stream: TextIO | None = None) -> bool:
    """Say whether a bar is drawn, so that lines which say the same can be left out."""
    stream = stream or sys.stderr
    return stream.isatty() and importlib.util.find_spec("rich") is not None


@contextmanager
def progress(
    what: str,
    *,
    lines: bool = True,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Tell]:
    """Show how far some work is, on standard error, until the block ends.

    Lines of the log come above the bar as they are. The cursor stays to be seen: a process may end without an end.

    Args:
        what: The work, such as "Verifying".
        lines: Whether there are lines where there is no bar; else the work logs how far it is itself.
        stream: Where it is shown. Default: standard error.
        clock: Seconds that never go back.
    """
    if draws_bars(stream):
        bar = _Bar(what, stream or sys.stderr, clock)
        try:
            yield bar.tell
        finally:
            bar.end()
    elif lines:
        yield _Lines(what, stream or sys.stderr, clock).tell
    else:
        yield tell_nobody


class _Lines:
    """Says it in the log; of a command without one, on its standard error."""

    def __init__(self, what: str, stream: TextIO, clock: Callable[[], float]) -> None:
        self._what, self._stream, self._clock = what, stream, clock
        self._began = self._said = clock()

    def tell(self, done: float, total: float | None, unit: str) -> None:
        now = self._clock()
        if now - self._said < _LINE_SECONDS:
            return
        self._said, seconds = now, now - self._began
        of = f" of {total:,.0f}" if total is not None else ""
        left = (
            f", about {seconds * (total - done) / done:,.0f} s left" if total is not None and 0 < done < total else ""
        )
        text = f"{self._what}: {done:,.0f}{of} {unit} in {seconds:,.0f} s{left}"
        if logging.getLogger().hasHandlers():
            log.info("%s", text)
        else:
            print(text, file=self._stream)


class _Bar:
    """Draws it; while it is drawn, what the log writes to the same terminal goes above it."""

    def __init__(self, what: str, stream: TextIO, clock: Callable[[], float]) -> None:
        self._what, self._stream, self._clock = what, stream, clock
        self._began, self._drawn = clock(), float("-inf")
        self._shown: Any = None
        self._handlers: list[logging.StreamHandler[TextIO]] = []

    def tell(self, done: float, total: float | None, unit: str) -> None:
        now = self._clock()
        is_end = total is not None and done >= total
        if now - self._began < _FIRST_SECONDS or (now - self._drawn < _REDRAW_SECONDS and not is_end):
            return
        self._drawn = now
        is_first = self._shown is None
        if is_first:
            self._begin()
        counted = f"{done:,.0f} of {total:,.0f} {unit}" if total is not None else f"{done:,.0f} {unit}"
        self._shown.update(self._task, completed=done, total=total, counted=counted)
        if is_first:
            self._shown.start()
            self._shown.console.show_cursor()

    def end(self) -> None:
        if self._shown is not None:
            self._shown.stop()
        for handler in self._handlers:
            handler.setStream(self._stream)

    def _begin(self) -> None:
        # They are most of what starting takes, and nothing else needs them.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415

        console = Console(file=self._stream)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counted]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self._shown = Progress(
            *columns,
            console=console,
            transient=True,
            expand=True,
            speed_estimate_period=_SPEED_SECONDS,
            # What goes to a file or a pipe stays there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._shown.add_task(self._what, total=None, counted="")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._stream:
                handler.setStream(_Above(console))
                self._handlers.append(handler)


class _Above:
    """A place for whole lines above the bar, which the terminal folds where it likes."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def write(self, text: str) -> None:
        self._console.print(text, end="", markup=False, highlight=False, soft_wrap=True)

    def flush(self) -> None:
        """Nothing waits."""
