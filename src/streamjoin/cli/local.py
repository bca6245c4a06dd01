"""`streamjoin local`: the embedded services of this machine."""

from typing import Annotated

import typer

from streamjoin.process import ExitCode

app = typer.Typer(help="The embedded Kinesis, DynamoDB and S3 of this machine.", no_args_is_help=True)


@app.command("up")
def up(
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Default: 4566, or a free one.")] = None,
    export: Annotated[bool, typer.Option("--export", help="Print the shell lines alone, for eval.")] = False,
) -> None:
    """Start the embedded services in the background: eval "$(streamjoin local up --export)"."""
    from streamjoin.local import background  # noqa: PLC0415

    running = background.up(port)
    lines = "\n".join(running.shell_lines())
    if not export:
        typer.echo(f"Embedded services at {running.endpoint} (process {running.pid}); end them: streamjoin local down")
        typer.echo('To use them, run these lines, or eval "$(streamjoin local up --export)":\n')
    typer.echo(lines)


@app.command("status")
def status() -> None:
    """Exit with 0 when the embedded services run, else with 1."""
    from streamjoin.local import background  # noqa: PLC0415

    running = background.status()
    if running is None:
        typer.echo("The embedded services don't run. Start them: streamjoin local up")
        raise typer.Exit(ExitCode.FAILED)
    typer.echo(f"The embedded services run at {running.endpoint} (process {running.pid})")


@app.command("down")
def down() -> None:
    """End the embedded services; all that they hold is gone."""
    from streamjoin.local import background  # noqa: PLC0415

    ended = background.down()
    typer.echo(f"Ended the embedded services at {ended.endpoint}" if ended else "The embedded services don't run.")
