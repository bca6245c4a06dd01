"""`streamjoin checkpoint`: where a job goes on."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamjoin.cli.arguments import Config, TextOrJson, moment, terminal
from streamjoin.cli.stream_job import load_positioned_job, load_stream_job

if TYPE_CHECKING:
    from streamjoin.history.set_position import Target

app = typer.Typer(help="The job's position, as its table or its journal has it.", no_args_is_help=True)


@app.command("show")
def show(
    config: Config,
    form: Annotated[TextOrJson, typer.Option("--format", help="How to print.")] = TextOrJson.TABLE,
) -> None:
    """Show where the job of CONFIG will go on, and what its newest commit holds; of a replication its control table."""
    from streamjoin.rendering import as_tree  # noqa: PLC0415

    shown = _position_of(config)
    if form is TextOrJson.JSON:
        typer.echo(json.dumps(shown, indent=2))
    else:
        terminal().print(as_tree(shown))


def _position_of(config: str) -> dict[str, Any]:
    from streamjoin.capture.config.capture import CaptureConfig, journal_path  # noqa: PLC0415
    from streamjoin.history import checkpoint, journal  # noqa: PLC0415
    from streamjoin.replicate.config import ReplicateConfig  # noqa: PLC0415

    settings = load_positioned_job(config)
    if isinstance(settings, ReplicateConfig):
        from streamjoin.replicate.control_table import position_of  # noqa: PLC0415

        return position_of(settings)
    if isinstance(settings, CaptureConfig):
        path = journal_path(settings)
        tables = {table.table_name: table.sink.hudi.base_path for table in settings.tables}
        shown = {"journal": path, "tables": tables, **checkpoint.as_json(journal.Journal(path).newest())}
        # A capture has none.
        del shown["references"]
        return shown
    hudi = settings.sink.hudi
    return {
        "table": hudi.table_name,
        "base_path": hudi.base_path,
        **checkpoint.as_json(checkpoint.read(hudi.base_path)),
    }


@app.command("set")
def set_(
    config: Config,
    at_timestamp: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="TIME", help="Records that arrived then or later.", show_default=False),
    ] = None,
    sequence_number: Annotated[
        list[str] | None,
        typer.Option(metavar="SHARD=NUMBER", help="After this record; may be repeated.", show_default=False),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="Records that arrive from now on.")] = False,
    trim_horizon: Annotated[bool, typer.Option("--trim-horizon", help="All that the stream still has.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Set where the job of CONFIG will go on. Shows what changes and asks first; the job must not run.

    The change is a commit of its own, or an entry of the journal, which says who made it: `streamjoin verify` reports
    it.
    """
    from streamjoin.capture.config.capture import CaptureConfig, journal_path  # noqa: PLC0415

    target = _target(at_timestamp, sequence_number or [], latest, trim_horizon)
    settings = load_stream_job(config)
    if isinstance(settings, CaptureConfig):
        where = f"Journal of '{settings.name}' at {journal_path(settings)}:"
    else:
        where = f"Table '{settings.sink.hudi.table_name}' at {settings.sink.hudi.base_path}:"

    def confirm(changes: Sequence[str]) -> bool:
        typer.echo(where)
        for change in changes:
            typer.echo(f"  {change}")
        return yes or typer.confirm("Set this position?")

    # Spark isn't imported before the configuration is known to be good.
    changed = import_module(f"streamjoin.{settings.job}.set_position").set_position(settings, target, confirm=confirm)
    typer.echo("The position is set." if changed else "Nothing was changed.")


def _target(at_timestamp: datetime | None, numbers: Sequence[str], latest: bool, trim_horizon: bool) -> "Target":
    from streamjoin.history.set_position import StartAfter, StartAt  # noqa: PLC0415

    if [at_timestamp is not None, bool(numbers), latest, trim_horizon].count(True) != 1:
        raise typer.BadParameter("give one of --at-timestamp, --sequence-number, --latest and --trim-horizon")
    if at_timestamp is not None:
        return StartAt("AT_TIMESTAMP", at_timestamp)
    if latest or trim_horizon:
        return StartAt("LATEST" if latest else "TRIM_HORIZON")
    pairs = [number.partition("=") for number in numbers]
    if wrong := [number for number, (shard, _, found) in zip(numbers, pairs, strict=True) if not shard or not found]:
        raise typer.BadParameter(f"--sequence-number: expected SHARD=NUMBER, found {wrong[0]!r}")  # noqa: EM102
    return StartAfter({shard: number for shard, _, number in pairs})
