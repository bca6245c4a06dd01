"""`streamjoin checkpoint`: where a job goes on."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from streamjoin.cli.arguments import Config, terminal

app = typer.Typer(help="The job's position, as its table has it.", no_args_is_help=True)


class CheckpointFormat(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"


@app.command("show")
def show(
    config: Config,
    form: Annotated[CheckpointFormat, typer.Option("--format", help="How to print.")] = CheckpointFormat.TABLE,
) -> None:
    """Show where the job of CONFIG will go on, and what its newest commit holds."""
    from streamjoin.checkpoint import show as found_in  # noqa: PLC0415
    from streamjoin.config import load_config  # noqa: PLC0415
    from streamjoin.rendering import as_tree  # noqa: PLC0415

    found = found_in(load_config(config))
    if form is CheckpointFormat.JSON:
        typer.echo(json.dumps(found, indent=2))
    else:
        terminal().print(as_tree(found))
