"""The file of `job: backfill`: how it is checked, and what is said of it."""

from collections.abc import Iterator

from streamjoin.backfill.config.backfill import BackfillConfig, where_text
from streamjoin.backfill.config.checks import backfill_problems
from streamjoin.capture.config.tables import summary_of_tables
from streamjoin.config.catalog_stages import CatalogTable, entered
from streamjoin.config.job_file import JobFile
from streamjoin.config.sink_stages import entered_letters


def _summary(config: BackfillConfig) -> str:
    table, export = config.source.dynamodb_table, config.source.dynamodb_export
    source = f"scan of '{table.table_name}'" if table else f"export at {export.path if export else ''}"
    return f"{source}, {where_text(config.where)}, {summary_of_tables(config.tables)}"


def _tables(config: BackfillConfig) -> Iterator[tuple[str, str]]:
    for table in config.tables:
        yield table.sink.hudi.table_name, table.sink.hudi.base_path


def _entered(config: BackfillConfig) -> Iterator[CatalogTable]:
    for hudi in (table.sink.hudi for table in config.tables):
        yield from entered(hudi.base_path, hudi.database, hudi.table_name, hudi.catalog, hudi.glue)
        yield from entered_letters(config.dead_letters, hudi.table_name)


JOB_FILE = JobFile(BackfillConfig, backfill_problems, _summary, _tables, _entered)
