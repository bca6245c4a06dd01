"""`streamjoin catalog`: a job's tables in the catalog."""

import typer

from streamjoin.cli.arguments import Config

app = typer.Typer(help="The job's tables in the catalog.", no_args_is_help=True)


@app.command("sync")
def sync(config: Config) -> None:
    """Enter the tables of the job of CONFIG in the catalog, mend what is there, and say what was changed.

    For tables with catalog: glue, without Spark; the job may run. Columns that a table doesn't have go, and so do
    partitions below its base path whose folder isn't there. Descriptions, comments and parameters of others stay.
    """
    from streamjoin.catalog.glue import GlueCatalog  # noqa: PLC0415
    from streamjoin.catalog.sync import TableSync  # noqa: PLC0415
    from streamjoin.entry import entered_tables, load_job  # noqa: PLC0415
    from streamjoin.errors import ConfigError, SinkError  # noqa: PLC0415
    from streamjoin.progress import progress  # noqa: PLC0415

    settings = load_job(config)
    if settings.job == "replicate":
        raise ConfigError(["job: found 'replicate', which writes DynamoDB tables and no Hudi table"], config)
    tables = entered_tables(settings)
    if not tables:
        problem = "catalog: found none for every table of the job; set catalog: glue for those that are to be entered"
        raise ConfigError([problem], config)
    failed, absent = [], []
    for table in tables:
        try:
            catalog = GlueCatalog(table)
            with progress(str(table)) as catalog.tell:
                changes = TableSync(table, catalog).mend()
        except SinkError as error:
            failed.append(str(error))
            continue
        if changes is None:
            absent.append(f"{table}: no table with a commit is at {table.base_path} yet")
        for line in changes or absent[-1:]:
            typer.echo(line)
    if failed or len(absent) == len(tables):
        raise SinkError("\n".join(failed) or "nothing was entered: run the job first")
