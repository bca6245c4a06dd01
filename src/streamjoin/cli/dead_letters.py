"""`streamjoin dead-letters`: records that could not become rows, seen and fed in again."""

import json
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import Annotated

import typer

from streamjoin.cli.arguments import Config, moment, terminal
from streamjoin.cli.stream_job import load_stream_job
from streamjoin.rendering import OutputFormat

app = typer.Typer(help="Records that could not become rows.", no_args_is_help=True)

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only those with this reason; may be repeated.", show_default=False)
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="What arrived then or later.", show_default=False),
]
Until = Annotated[
    datetime | None, typer.Option(parser=moment, metavar="TIME", help="What arrived before.", show_default=False)
]


@app.command("list")
def list_(
    config: Config,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    show_data: Annotated[bool, typer.Option("--show-data", help="What the records hold, too.")] = False,
    form: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
) -> None:
    """Show the newest dead letters of the job of CONFIG, and how many there are for each reason.

    With --format json these counts are `by_reason` beside `dead_letters`; with csv they go to standard error.
    """
    from streamjoin.entry import load_job  # noqa: PLC0415
    from streamjoin.rendering import json_rows, write  # noqa: PLC0415
    from streamjoin.replicate.config import ReplicateConfig  # noqa: PLC0415

    console, settings = terminal(), load_job(config)
    if isinstance(settings, ReplicateConfig):
        from streamjoin.replicate import listing  # noqa: PLC0415

        found = listing.read_letters(listing.folder_of(settings), reason or (), since, until)
        letters, counts = listing.as_table(found[:limit], show_data=show_data), listing.count_by_reason(found)
    else:
        from streamjoin.letters.listing import LetterFilter, count_by_reason, list_letters  # noqa: PLC0415

        base_path, chosen = settings.dead_letters.base_path, LetterFilter.of(reason or (), since, until)
        letters = list_letters(base_path, chosen, limit=limit, show_data=show_data)
        counts = count_by_reason(base_path, chosen)
    if form is OutputFormat.JSON:
        shown = {"total": sum(counts.values()), "by_reason": counts, "dead_letters": list(json_rows(letters))}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    write(letters, form, console)
    # Of CSV a program reads standard output, whose lines all have the same columns.
    typer.echo(f"In all: {sum(counts.values()):,}{_by_reason(counts)}", err=form is OutputFormat.CSV)


@app.command("redrive")
def redrive(config: Config, reason: Reasons = None, since: Since = None, until: Until = None) -> None:
    """Feed dead letters in again: those that fit by now become rows, the others stay. The job must not run."""
    from streamjoin.letters.listing import LetterFilter  # noqa: PLC0415
    from streamjoin.process import configure_logging  # noqa: PLC0415

    settings, chosen = load_stream_job(config), LetterFilter.of(reason or (), since, until)
    configure_logging(form=settings.logging.format)
    # Spark isn't imported before the configuration is known to be good.
    report = import_module(f"streamjoin.{settings.job}.redrive").run_redrive(settings, chosen)
    typer.echo(f"Fed in again: {report.tried:,} dead letters")
    typer.echo(f"Re-driven: {sum(report.redriven.values()):,}{_by_reason(report.redriven)}")
    typer.echo(f"Still rejected, and left as they are: {sum(report.stayed.values()):,}{_by_reason(report.stayed)}")
    if report.waiting:
        typer.echo(f"Of a batch that was not committed, left to the job's next start: {report.waiting:,}")


def _by_reason(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{n:,} {reason}' for reason, n in sorted(counts.items()))})" if counts else ""
