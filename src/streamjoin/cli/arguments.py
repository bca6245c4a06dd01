"""What several commands take and print to."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streamjoin.moments import in_utc

if TYPE_CHECKING:
    from rich.console import Console

Config = Annotated[str, typer.Argument(help="The job's YAML file.", metavar="CONFIG", show_default=False)]


def moment(text: str | datetime) -> datetime:
    """Read a time in ISO 8601; without a zone it is UTC."""
    try:
        return in_utc(text if isinstance(text, datetime) else datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"expected a time such as 2026-01-31T08:00:00Z, found {text!r}") from None  # noqa: EM102


class TextOrJson(StrEnum):
    """What `--format` takes if there is no table to print."""

    TABLE = "table"
    JSON = "json"


class JobKind(StrEnum):
    """What `job` in a configuration takes."""

    ENRICH = "enrich"
    CAPTURE = "capture"
    BACKFILL = "backfill"
    REPLICATE = "replicate"


def terminal() -> "Console":
    """Return where tables are printed."""
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    # A file or a pipe has no width to which a table would have to be folded.
    return console if console.is_terminal else Console(width=1_000)
