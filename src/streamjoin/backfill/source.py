"""From a backfill's configuration to what is read: a table's segments, or the files of an export."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from streamjoin.aws.errors import code_of
from streamjoin.backfill.config.backfill import BackfillConfig, TableScanSettings, WhereSettings
from streamjoin.capture.layout import capture_layout
from streamjoin.dynamodb.read.export import TableExport
from streamjoin.dynamodb.read.export_manifest import ExportManifest
from streamjoin.dynamodb.read.item_filter import ItemFilter
from streamjoin.dynamodb.read.item_staging import ItemSource
from streamjoin.dynamodb.read.scan import TableAddress, TableScan, default_segments
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

# Before the reading begins: covers eventually consistent reads, and clocks that differ from the service's.
MARGIN_SECONDS: Final = 60


@dataclass(frozen=True)
class BackfillSource:
    """What is read, known before Spark is started.

    Args:
        table_name: The DynamoDB table.
        arn: Its ARN, which dead letters name as their stream.
        key_names: The attributes of its primary key.
        items: How many there are, as far as is known before they are read.
        now_us: Returns the moment that the rows of a backfill that begins now count as being of.
        fingerprint: Tells this source and filter from others.
        where: Which items are taken; None: all.
        segments: Returns in how many segments it is read with so many cores.
        open: Makes what reads it, given the number of segments and of tasks that read at the same time.
        is_paced: Whether no more tasks than told may read at the same time.
    """

    table_name: str
    arn: str
    key_names: tuple[str, ...]
    items: int
    now_us: Callable[[], int]
    fingerprint: str
    where: ItemFilter | None
    segments: Callable[[int], int]
    open: Callable[[int, int], ItemSource]
    is_paced: bool


def backfill_source(config: BackfillConfig, clock: Callable[[], float] = time.time) -> BackfillSource:
    """Ask for the source of `config`: the table, or the manifests of the export.

    Args:
        config: A checked configuration.
        clock: Seconds since 1970.

    Raises:
        ConfigError: The export is of another table.
        SourceError: The table or the export is missing, denied or unreachable, or isn't of a kind that can be read.
    """
    if config.source.dynamodb_table is not None:
        return _of_table(config, config.source.dynamodb_table, clock)
    assert config.source.dynamodb_export is not None  # noqa: S101  (checked with the configuration)
    return _of_export(config, config.source.dynamodb_export.path)


def _of_table(config: BackfillConfig, settings: TableScanSettings, clock: Callable[[], float]) -> BackfillSource:
    address = TableAddress(settings.table_name, settings.region, settings.role_arn)
    table = address.describe()

    def scan(segments: int, tasks: int) -> TableScan:
        make_pace = partial(_share, settings.max_read_units_per_second, tasks)
        page_items = make_pace().page_limit(table.item_bytes, is_consistent=False)
        scanned = TableScan(address, segments, make_pace)
        return scanned if page_items is None else replace(scanned, page_items=min(page_items, scanned.page_items))

    return BackfillSource(
        table_name=settings.table_name,
        arn=table.arn,
        key_names=tuple(table.key_types),
        items=table.items,
        now_us=lambda: int((clock() - MARGIN_SECONDS) * 1_000_000),
        fingerprint=_fingerprint(table.arn, settings.segments, config.where),
        where=_filter(config.where),
        segments=lambda cores: settings.segments or default_segments(table, cores),
        open=scan,
        is_paced=settings.max_read_units_per_second is not None,
    )


def _share(max_per_second: float | None, tasks: int) -> ReadUnits:
    return ReadUnits(max_per_second).share(tasks)


def _of_export(config: BackfillConfig, path: str) -> BackfillSource:
    manifest = ExportManifest.read(path)
    declared = config.tables[0].table_name
    if declared not in ("*", manifest.table_name):
        problem = f"tables[0].table_name: found '{declared}'; the export at '{path}' is of '{manifest.table_name}'"
        raise ConfigError([problem], config.name)
    return BackfillSource(
        table_name=manifest.table_name,
        arn=manifest.table_arn,
        key_names=_key_names(config, manifest),
        items=manifest.items,
        now_us=lambda: manifest.exported_us - MARGIN_SECONDS * 1_000_000,
        fingerprint=_fingerprint(manifest.path, manifest.exported_us, config.where),
        where=_filter(config.where),
        segments=lambda cores: len(manifest.files),
        open=lambda segments, tasks: TableExport.of(manifest),
        is_paced=False,
    )


def _key_names(config: BackfillConfig, manifest: ExportManifest) -> tuple[str, ...]:
    """Return the key of the exported table, which the export doesn't tell."""
    layout = capture_layout(config.tables[0].for_table(manifest.table_name))
    try:
        table = TableAddress(manifest.table_arn, manifest.region).describe()
    except SourceError as error:
        if code_of(error) != "ResourceNotFoundException" or not layout.record_key:
            message = (
                f"export at '{manifest.path}': it doesn't say what the primary key of '{manifest.table_name}' is, and "
                f"the table can't be asked: {error} Of a table that is gone, tables[0].sink.hudi.record_key has to "
                "name the key."
            )
            raise SourceError(message, retryable=error.retryable) from error
        names = tuple(layout.attribute_of(column) for column in layout.record_key)
        log.warning("table '%s' is gone; its key is taken from record_key: %s", manifest.table_name, ", ".join(names))
        return names
    return tuple(table.key_types)


def _filter(where: WhereSettings | None) -> ItemFilter | None:
    if where is None:
        return None
    bounds = {"before_us": where.before, "until_us": where.until, "after_us": where.after, "from_us": where.from_}
    return ItemFilter(where.attribute, **{name: bound.us for name, bound in bounds.items() if bound is not None})


def _fingerprint(place: str, parts: int | None, where: WhereSettings | None) -> str:
    filtered = None if where is None else where.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(json.dumps([place, parts, filtered], sort_keys=True).encode()).hexdigest()[:16]
