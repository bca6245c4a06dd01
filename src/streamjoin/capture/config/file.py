"""The file of `job: capture`: how it is checked, and what is said of it."""

from collections.abc import Iterator

from streamjoin.capture.config.capture import CaptureConfig, journal_path, letters_name
from streamjoin.capture.config.checks import capture_problems
from streamjoin.capture.config.made_tables import captured_settings, captured_tables
from streamjoin.capture.config.tables import summary_of_tables
from streamjoin.config.catalog_stages import CatalogTable, entered
from streamjoin.config.job_file import JobFile
from streamjoin.config.sink_stages import entered_letters
from streamjoin.config.stages import named_stream


def _summary(config: CaptureConfig) -> str:
    kinesis, table = config.source.kinesis, config.source.dynamodb_stream
    stream = named_stream(kinesis) if kinesis else f"stream of the table '{table.table_name if table else ''}'"
    return f"{stream}, {summary_of_tables(config.tables)}, journal at {journal_path(config)}"


def _entered(config: CaptureConfig) -> Iterator[CatalogTable]:
    tables = captured_settings(config, lambda table: table.sink.hudi.catalog == "glue")
    for hudi in (table.sink.hudi for table in tables):
        yield from entered(hudi.base_path, hudi.database, hudi.table_name, hudi.catalog, hudi.glue)
    yield from entered_letters(config.dead_letters, letters_name(config.name))


JOB_FILE = JobFile(CaptureConfig, capture_problems, _summary, captured_tables, _entered)
