"""What a checked job reads and writes, in a sentence."""

from collections.abc import Iterable
from typing import TypeAlias

from streamjoin.backfill.config.backfill import BackfillConfig, WhereSettings
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.config.tables import ALL_OTHERS, CaptureTableSettings
from streamjoin.config.stages import EnrichConfig, KinesisSettings
from streamjoin.replicate.config import ReplicateConfig, read_table_mappings

JobConfig: TypeAlias = EnrichConfig | CaptureConfig | BackfillConfig | ReplicateConfig


def summary(config: JobConfig) -> str:
    """Return a sentence that says what a checked job reads and writes.

    Raises:
        ConfigError: The table mappings of a replication have problems.
    """
    match config:
        case EnrichConfig():
            what = _enrich(config)
        case CaptureConfig():
            what = _capture(config)
        case BackfillConfig():
            what = _backfill(config)
        case ReplicateConfig():
            what = _replicate(config)
    return f"Job '{config.name}', {what}"


def _enrich(config: EnrichConfig) -> str:
    references, hudi = ", ".join(r.name for r in config.references) or "none", config.sink.hudi
    return f"{_stream(config.source.kinesis)}, references: {references}, table '{hudi.table_name}' at {hudi.base_path}"


def _capture(config: CaptureConfig) -> str:
    kinesis, table = config.source.kinesis, config.source.dynamodb_stream
    stream = _stream(kinesis) if kinesis else f"stream of the table '{table.table_name if table else ''}'"
    return f"{stream}, {_tables(config.tables)}, journal at {journal_path(config)}"


def _backfill(config: BackfillConfig) -> str:
    table, export = config.source.dynamodb_table, config.source.dynamodb_export
    source = f"scan of '{table.table_name}'" if table else f"export at {export.path if export else ''}"
    return f"{source}, {where_text(config.where)}, {_tables(config.tables)}"


def where_text(where: WhereSettings | None) -> str:
    """Return in words which items are taken."""
    if where is None:
        return "all items"
    bounds = (("before", where.before), ("until", where.until), ("after", where.after), ("from", where.from_))
    return f"items with {where.attribute} " + " and ".join(f"{key} {value}" for key, value in bounds if value)


def _replicate(config: ReplicateConfig) -> str:
    read_table_mappings(config)
    mysql, table = config.source.mysql, config.target.dynamodb.control_table
    return f"server '{mysql.host}:{mysql.port}', table mappings: {config.table_mappings}, control table '{table}'"


def _stream(kinesis: KinesisSettings) -> str:
    return f"stream '{kinesis.stream_name or kinesis.stream_arn}'"


def _tables(tables: Iterable[CaptureTableSettings]) -> str:
    return ", ".join(
        f"{'all other tables' if t.table_name == ALL_OTHERS else repr(t.table_name)} ({t.layout}) into "
        f"'{t.sink.hudi.table_name}' at {t.sink.hudi.base_path}"
        for t in tables
    )
