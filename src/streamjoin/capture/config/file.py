"""The file of `job: capture`: how it is checked, and what is said of it."""

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.config.checks import capture_problems
from streamjoin.capture.config.made_tables import captured_tables
from streamjoin.capture.config.tables import summary_of_tables
from streamjoin.config.job_file import JobFile
from streamjoin.config.stages import named_stream


def _summary(config: CaptureConfig) -> str:
    kinesis, table = config.source.kinesis, config.source.dynamodb_stream
    stream = named_stream(kinesis) if kinesis else f"stream of the table '{table.table_name if table else ''}'"
    return f"{stream}, {summary_of_tables(config.tables)}, journal at {journal_path(config)}"


JOB_FILE = JobFile(CaptureConfig, capture_problems, _summary, captured_tables)
