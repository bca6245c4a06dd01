"""The command `streamjoin`. Each command imports what it needs itself: `query` must not wait for Spark."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamjoin.cli import catalog, checkpoint, dead_letters, local
from streamjoin.cli.arguments import Config, JobKind, TextOrJson, terminal
from streamjoin.cli.from_stack import config_from_stack
from streamjoin.cli.seed import seed_table
from streamjoin.cli.stream_job import load_positioned_job
from streamjoin.local.samples.names import DatasetName, DemoJob
from streamjoin.process import ExitCode, report_defect
from streamjoin.progress import Tell, progress, tell_nobody
from streamjoin.rendering import OutputFormat

if TYPE_CHECKING:
    from streamjoin.replicate.verify import ReplicationReport
    from streamjoin.verify import VerifyReport

app = typer.Typer(
    help="Kinesis events, joined with changing DynamoDB reference data, upserted into Apache Hudi exactly once.",
    epilog="Exit codes: 0 done; 2 what you wrote is wrong, in the configuration, on the command line or for the AWS "
    "SDK (no region, no credentials); 1 all else: a stream that isn't there, a service that doesn't answer, what "
    "others did while the job ran.",
    no_args_is_help=True,
    # With boxes around it, help takes three times as long.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
app.add_typer(local.app, name="local")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(catalog.app, name="catalog")

Data = Annotated[DatasetName, typer.Option(help="Which sample data.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"streamjoin {version('streamjoin')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of unexpected errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version
    if not debug:
        sys.excepthook = report_defect


@app.command()
def run(
    config: Config,
    until_caught_up: Annotated[bool, typer.Option("--until-caught-up", help="Stop when all is read.")] = False,
    max_batches: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many micro-batches with records; not of a backfill.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Load all tables first; job replicate only.")] = False,
) -> None:
    """Run the job of CONFIG. Ctrl-C and SIGTERM finish the batch in hand; a second one stops at once."""
    from streamjoin.entry import run_job  # noqa: PLC0415

    run_job(str(config), until_caught_up=until_caught_up, max_batches=max_batches, reload=reload)


@app.command()
def validate(config: Config) -> None:
    """Check CONFIG without touching any service; every problem is listed."""
    from streamjoin.entry import judge, load_job, summary  # noqa: PLC0415

    job = load_job(config)
    judge(job)
    typer.echo(f"{config}: valid. {summary(job)}")


@app.command()
def doctor(
    config: Config,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at all that the job of CONFIG will meet, each line with what to do; exit with 1 if anything is to be mended.

    Asks the services, and this machine; starts no Spark. Writes a probe below each base path, and deletes it again.
    """
    from streamjoin.cli.preflight import show_findings  # noqa: PLC0415

    if not show_findings(config, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def query(
    target: Annotated[str, typer.Argument(metavar="PATH_OR_CONFIG", help="A table's base path, or a job's YAML file.")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A single table is `t`; each has its name in the config.")],
    form: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
) -> None:
    """Run SQL on a Hudi table, or on those of a job, without Spark."""
    from streamjoin.entry import query as run_query  # noqa: PLC0415
    from streamjoin.rendering import write  # noqa: PLC0415

    write(run_query(target, sql), form, terminal())


@app.command()
def verify(
    config: Config,
    form: Annotated[TextOrJson, typer.Option("--format", help="How to print.")] = TextOrJson.TABLE,
) -> None:
    """Prove from all commits of the job of CONFIG that no record was skipped or read twice; exit with 1 if not.

    Reads ledger or journal, timeline and dead letters, without Spark and without the stream; writes nothing.
    Of tables with partitions: fixed it reads the keys of all rows, which are there once.
    Of a replication it compares the control table with all items of the targets, and reads nothing of the server.
    """
    # A program that reads JSON has no use for a bar, and often a terminal all the same.
    with progress("Verifying") if form is TextOrJson.TABLE else nullcontext(tell_nobody) as tell:
        report = _report_of(config, tell)
    if form is TextOrJson.JSON:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for line in report.lines():
            typer.echo(line)
    if not report.holds:
        raise typer.Exit(ExitCode.FAILED)


def _report_of(config: str, tell: Tell) -> "VerifyReport | ReplicationReport":
    from streamjoin.capture.config.capture import CaptureConfig, journal_path  # noqa: PLC0415
    from streamjoin.replicate.config import ReplicateConfig  # noqa: PLC0415

    settings = load_positioned_job(config)
    if isinstance(settings, ReplicateConfig):
        from streamjoin.replicate.verify import verify as compare  # noqa: PLC0415

        return compare(settings)
    if isinstance(settings, CaptureConfig):
        from streamjoin.verify import verify_journal  # noqa: PLC0415

        tables = [each.sink.hudi for each in settings.tables if each.table_name != "*"]
        fixed = [each.base_path for each in tables if each.partitions == "fixed"]
        return verify_journal(journal_path(settings), settings.dead_letters.base_path, fixed, tell)
    from streamjoin.verify import verify as prove  # noqa: PLC0415

    table = settings.sink.hudi
    fixed = [table.base_path] if table.partitions == "fixed" else []
    return prove(table.base_path, settings.dead_letters.base_path, fixed, tell)


@app.command()
def status(
    config: Config,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch an object a line.")] = False,
    every: Annotated[
        float, typer.Option(min=0.2, help="Seconds from one look to the next, with --watch.", metavar="SECONDS")
    ] = 2.0,
) -> None:
    """Show how the job of CONFIG is: what it does, position and lag, last commits, freshness, dead letters, lock.

    Reads ledger or journal (of a backfill its note, of a replication the control table) and the lock, and nothing else.
    """
    from streamjoin.cli.status import show_status  # noqa: PLC0415

    show_status(config, watch=watch, as_json=as_json, every_seconds=every)


@app.command()
def report(
    config: Config,
    output: Annotated[
        Path,
        # What was there is replaced, and need not be readable.
        typer.Option(
            "--output", "-o", help="Where the page is written.", metavar="FILE.html", show_default=False, readable=False
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(help="From when on: a time, or how long ago: 90m, 6h, 7d. Default: all.", metavar="TIME"),
    ] = None,
) -> None:
    """Write a page with plots of what the job of CONFIG has done: throughput, lag, freshness, stages, letters, files.

    Reads what status reads, of all its history, and lists the files of the job's tables. The page fetches nothing.
    """
    from streamjoin.cli.report import since_when, write_report  # noqa: PLC0415

    typer.echo(write_report(config, output, None if since is None else since_when(since)))


@app.command()
def maintain(
    config: Config,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    every: Annotated[
        float, typer.Option(min=1.0, help="Seconds from one look at the tables to the next.", metavar="SECONDS")
    ] = 10.0,
) -> None:
    """Compact and clean the tables of the job of CONFIG, beside the running job or without it.

    Joins small files where the index allows it. May be killed at any time. Ctrl-C and SIGTERM finish the step in hand.
    """
    from streamjoin.cli.maintenance import maintain_job  # noqa: PLC0415

    for line in maintain_job(str(config), every_seconds=None if once else every):
        typer.echo(line)


@app.command()
def schema(job: Annotated[JobKind, typer.Option(help="Of which job.")] = JobKind.ENRICH) -> None:
    """Print the JSON Schema of a job's configuration, for editors."""
    from streamjoin.entry import json_schema  # noqa: PLC0415

    typer.echo(json.dumps(json_schema(job.value), indent=2))


@app.command()
def produce(
    stream_name: Annotated[str, typer.Option(help="An existing Kinesis stream.", show_default=False)],
    dataset: Data = DatasetName.ORDERS,
    records: Annotated[int, typer.Option(min=1, help="How many to send.")] = 1_000,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Records per second. Default: unbounded.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other orders.")] = 0,
    start: Annotated[int, typer.Option(min=0, help="Number of the first record; go on where you stopped.")] = 0,
    region: Annotated[str | None, typer.Option(help="Default: the SDK's.")] = None,
) -> None:
    """Send sample data to a Kinesis stream."""
    from streamjoin.local.samples.sending import produce_dataset  # noqa: PLC0415

    summary = produce_dataset(
        stream_name, dataset, records=records, start=start, seed=seed, records_per_second=rate, region=region
    )
    typer.echo(f"stream '{stream_name}': {summary}")


app.command("seed-table")(seed_table)
app.command("config-from-stack")(config_from_stack)


@app.command()
def demo(
    dataset: Data = DatasetName.ORDERS,
    records: Annotated[
        int | None,
        typer.Option(min=100, help="Default: 20,000 orders, 50,000 flights; 1,000 to capture.", show_default=False),
    ] = None,
    s3: Annotated[bool, typer.Option("--s3", help="Write the tables to the embedded S3.")] = False,
    with_mysql: Annotated[
        bool, typer.Option("--with-mysql", help="Replicate the orders' reference table from a MySQL or MariaDB server.")
    ] = False,
    job: Annotated[DemoJob, typer.Option(help="Which job; capture with a backfill before it.")] = DemoJob.ENRICH,
) -> None:
    """Show a whole job on this machine, from an empty stream to query results before and after a change."""
    from streamjoin.local.demo.enrich import demo as run_demo  # noqa: PLC0415

    if job is DemoJob.CAPTURE:
        from streamjoin.errors import ConfigError  # noqa: PLC0415
        from streamjoin.local.demo.capture import capture_demo  # noqa: PLC0415

        if with_mysql or dataset is not DatasetName.ORDERS:
            problem = "--dataset flights, --with-mysql: allowed with --job enrich only; found --job capture"
            raise ConfigError([problem], "streamjoin demo")
        capture_demo(records=records, s3=s3, console=terminal())
        return
    run_demo(dataset, records=records, s3=s3, with_mysql=with_mysql, console=terminal())
