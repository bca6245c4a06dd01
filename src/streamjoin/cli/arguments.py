"""What several commands take and print to."""

from typing import Annotated

import typer
from rich.console import Console

Config = Annotated[str, typer.Argument(help="The job's YAML file.", metavar="CONFIG", show_default=False)]


def terminal() -> Console:
    """Return where tables are printed."""
    console = Console()
    # A file or a pipe has no width to which a table would have to be folded.
    return console if console.is_terminal else Console(width=1_000)
