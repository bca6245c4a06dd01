"""Table mappings as AWS DMS takes them: which tables, and how their rows become items."""

from streamjoin.dms.item_mapping import ItemMapping
from streamjoin.dms.rejected import RowRejected
from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable, Value
from streamjoin.dms.table_mappings import MappedTables, TableMappings

__all__ = [
    "ColumnKind",
    "ItemMapping",
    "MappedTables",
    "RowRejected",
    "SourceColumn",
    "SourceTable",
    "TableMappings",
    "Value",
]
