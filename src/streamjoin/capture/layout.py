"""From a captured table's settings to what its rows and its Hudi table are."""

from collections.abc import Mapping

from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.capture.config.tables import CaptureTableSettings
from streamjoin.config.catalog_stages import entry_settings
from streamjoin.hudi.conflict import as_made
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.hudi.write import HudiTable
from streamjoin.records.change_columns import CHANGE_ID, CHANGED_AT, ITEM_KEY, ORDER

# A changelog grows for ever: by the day of the change old rows are never touched again.
_BY_DAY = (PartitionColumn("dt", CHANGED_AT, "yyyyMMdd"),)


def capture_layout(settings: CaptureTableSettings, fixed_partition: Mapping[str, str] | None = None) -> ChangeLayout:
    """Return what the rows of a table are; with `fixed_partition` all of them lie in that one."""
    hudi = settings.sink.hudi
    partition_by = tuple(PartitionColumn(p.name, p.from_, p.format, p.zone) for p in hudi.partition_by)
    return ChangeLayout(
        name=settings.layout,
        **({"columns": settings.schema_} if settings.schema_ is not None else {}),
        undeclared=settings.undeclared,
        keeps_expired=settings.expired == "keep",
        drop=frozenset(settings.drop),
        rename=settings.rename,
        record_key=tuple(hudi.record_key),
        partition_by=partition_by or (() if settings.layout == "current" else _BY_DAY),
        fixed_partition=fixed_partition or {},
        is_fixed=hudi.partitions == "fixed",
    )


def hudi_table(settings: CaptureTableSettings, layout: ChangeLayout) -> HudiTable:
    """Return the table that rows of `layout` go to.

    Its record key is never an attribute's column: a row is found also if its key's attributes are dropped, and if
    a REMOVE brings nothing but its keys. Its index is that which it was made with, if it is there.

    Raises:
        SinkError: What is there can't be read.
    """
    hudi = settings.sink.hudi
    table = HudiTable(
        base_path=hudi.base_path,
        table_name=hudi.table_name,
        database=hudi.database,
        record_key=(ITEM_KEY if layout.is_current else CHANGE_ID,),
        ordering=ORDER,
        partition_by=layout.partition_names,
        table_type=hudi.table_type,
        options=hudi.options,
        # The partition of a change follows from the change itself, so that its row can't move to another.
        is_fixed=layout.is_fixed or not layout.is_current,
        expected_rows=hudi.expected_rows,
        served_by=hudi.table_services,
        glue=entry_settings(hudi.catalog, hudi.glue),
    )
    return as_made(table)
