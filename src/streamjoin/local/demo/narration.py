"""The demo's voice: numbered steps with a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Step:
    """One step in progress."""

    def __init__(self, progress: Progress | None, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self.outcome = ""
        """What is said when the step is done."""

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Show how far the step is."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total, detail=detail)


class Narrator:
    """Prints steps as they begin and end.

    Args:
        console: Where to.
        steps: How many there will be.
    """

    def __init__(self, console: Console, steps: int) -> None:
        self.console = console
        self._steps = steps
        self._number = 0

    @contextmanager
    def step(self, title: str, detail: str = "") -> Iterator[Step]:
        """Show a step for the length of a `with` block.

        Args:
            title: What it does.
            detail: Shown beside the bar while there is no progress yet.
        """
        self._number += 1
        self.console.print(f"[bold cyan]{self._number}/{self._steps}[/] {title}", highlight=False, soft_wrap=True)
        started = time.monotonic()
        if self.console.is_terminal:
            columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.fields[detail]}"), TimeElapsedColumn())
            with Progress(*columns, console=self.console, transient=True) as progress:
                step = Step(progress, progress.add_task("", total=None, detail=detail))
                yield step
        else:
            step = Step(None, TaskID(0))
            yield step
        outcome = f"{step.outcome}, " if step.outcome else ""
        took = f"    [green]✓[/] {outcome}{time.monotonic() - started:.1f} s"
        self.console.print(took, highlight=False, soft_wrap=True)
