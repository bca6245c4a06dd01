"""The file of `job: enrich`: how it is checked, and what is said of it."""

from collections.abc import Iterator

from streamjoin.config.job_file import JobFile
from streamjoin.config.stages import named_stream
from streamjoin.enrich.config.checks import problems
from streamjoin.enrich.config.enrich import EnrichConfig


def _summary(config: EnrichConfig) -> str:
    references, hudi = ", ".join(r.name for r in config.references) or "none", config.sink.hudi
    stream = named_stream(config.source.kinesis)
    return f"{stream}, references: {references}, table '{hudi.table_name}' at {hudi.base_path}"


def _tables(config: EnrichConfig) -> Iterator[tuple[str, str]]:
    yield config.sink.hudi.table_name, config.sink.hudi.base_path


JOB_FILE = JobFile(EnrichConfig, problems, _summary, _tables)
