"""The file of `job: enrich`: how it is checked, and what is said of it."""

from collections.abc import Iterator

from streamjoin.config.catalog_stages import CatalogTable, entered
from streamjoin.config.job_file import JobFile
from streamjoin.config.sink_stages import entered_letters
from streamjoin.config.stages import named_stream
from streamjoin.enrich.config.checks import problems
from streamjoin.enrich.config.enrich import EnrichConfig


def _summary(config: EnrichConfig) -> str:
    references, hudi = ", ".join(r.name for r in config.references) or "none", config.sink.hudi
    stream = named_stream(config.source.kinesis)
    return f"{stream}, references: {references}, table '{hudi.table_name}' at {hudi.base_path}"


def _tables(config: EnrichConfig) -> Iterator[tuple[str, str]]:
    yield config.sink.hudi.table_name, config.sink.hudi.base_path


def _entered(config: EnrichConfig) -> Iterator[CatalogTable]:
    hudi = config.sink.hudi
    yield from entered(hudi.base_path, hudi.database, hudi.table_name, hudi.catalog, hudi.glue)
    yield from entered_letters(config.dead_letters, hudi.table_name)


JOB_FILE = JobFile(EnrichConfig, problems, _summary, _tables, _entered)
