"""`streamjoin status`: how a job is, once or again and again."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

from streamjoin.entry import load_job
from streamjoin.errors import StreamJoinError

if TYPE_CHECKING:
    from streamjoin.overview.overview import Overview

# What isn't a terminal has no width.
_WIDTH: Final = 120


def show_status(config: str, *, watch: bool, as_json: bool, every_seconds: float) -> None:
    """Print how the job of a file is.

    Args:
        config: The file.
        watch: Whether to go on until Ctrl-C.
        as_json: Whether to print JSON, when watching an object a line.
        every_seconds: From one look to the next.

    Raises:
        ConfigError: The file is wrong.
        StreamJoinError: What there is of the job can't be read; while watching only by the first look.
    """
    settings = load_job(config)
    look: Callable[[], Overview] = import_module(f"streamjoin.{settings.job}.status").status(settings)
    looks = _looks(look, every_seconds if watch else None)
    with suppress(KeyboardInterrupt):
        if as_json:
            for found in looks:
                # What reads a line of JSON wants it now.
                print(json.dumps(found.to_dict(), indent=None if watch else 2, ensure_ascii=False), flush=True)
        else:
            _draw(looks, watch=watch)


def _draw(looks: "Iterator[Overview]", *, watch: bool) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from streamjoin.cli.status_screen import screen  # noqa: PLC0415

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if not (watch and console.is_terminal):
        for found in looks:
            console.print(screen(found, console.width))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for found in looks:
            live.update(screen(found, console.width, console.height), refresh=True)


def _looks(look: "Callable[[], Overview]", every_seconds: float | None) -> "Iterator[Overview]":
    """Yield what each look finds; one that fails says nothing new, unless it is the first."""
    found = look()
    yield found
    while every_seconds is not None:
        time.sleep(every_seconds)
        try:
            found = look()
        except StreamJoinError as error:
            found = replace(found, trouble=str(error))
        yield found
