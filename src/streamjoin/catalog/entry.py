"""What the Glue Data Catalog is told of a Hudi table: one entry, or two of one that merges on read.

Source: AWSGlueCatalogSyncClient, HiveSyncTool and HoodieInputFormatUtils of Hudi 1.0.2, whose own sync registers the
same, but for times: it has bigint for them by default, which no reader takes for a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa

from streamjoin.catalog.columns import Column, as_keys, columns_of, spark_properties
from streamjoin.config.catalog_stages import CatalogTable

LAST_SYNC: Final = "last_commit_time_sync"
"""The table parameter that says up to which commit its entries are as the table is."""

_SERDE: Final = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_OUTPUT: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
_HUDI: Final = "org.apache.hudi.hadoop.HoodieParquetInputFormat"
_REALTIME: Final = "org.apache.hudi.hadoop.realtime.HoodieParquetRealtimeInputFormat"
_PARQUET: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_TOMBSTONES: Final = ".hoodie/.streamjoin/tombstones"
_TOMBSTONE_COLUMNS: Final = (
    Column("_item_key", pa.string(), "Key of the removed row."),
    Column("_order", pa.string(), "Order of its removal: what is older doesn't bring it back."),
    Column("expires_at_us", pa.int64(), "Until when that counts, in microseconds since 1970."),
)


@dataclass(frozen=True)
class Entry:
    """One table of the catalog, as it is to be.

    Args:
        name: Its name.
        location: Where its files are.
        columns: But for those of the partitions.
        partition_keys: The columns of the partitions.
        input_format: What Hive reads it with.
        serde_parameters: Of the SerDe.
        parameters: Of the table.
    """

    name: str
    location: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    input_format: str = _HUDI
    serde_parameters: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_hudi(self) -> bool:
        """Whether it is the table itself, whose commits bring columns and partitions."""
        return self.input_format != _PARQUET

    def storage(self, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return its storage descriptor with these columns, as Glue takes it."""
        return {
            "Columns": list(columns),
            "Location": self.location,
            "InputFormat": self.input_format,
            "OutputFormat": _OUTPUT,
            "SerdeInfo": {
                "SerializationLibrary": _SERDE,
                "Parameters": {"serialization.format": "1", **self.serde_parameters},
            },
        }


def entries_of(table: CatalogTable, properties: Mapping[str, str], schema: str) -> tuple[Entry, ...]:
    """Return the entries of a table.

    Args:
        table: The table.
        properties: Those that it was made with (`hoodie.properties`).
        schema: Its columns as of a commit, in Avro's JSON.

    Raises:
        SchemaError: The columns can't be read.
    """
    columns, paths = columns_of(schema), partition_fields(properties)
    by_name = {column.name: column for column in columns}
    keys = as_keys([by_name.get(name, Column(name, pa.string())) for name in paths])
    others = tuple(column for column in columns if column.name not in paths)
    parameters = {
        "EXTERNAL": "TRUE",
        "hudi.metadata-listing-enabled": "FALSE",
        **spark_properties(others, keys),
    }

    def entry(suffix: str, input_format: str, *, read_optimized: bool) -> Entry:
        serde = {"path": table.base_path, "hoodie.query.as.ro.table": str(read_optimized).lower()}
        name = f"{table.table_name}{suffix}"
        return Entry(name, table.base_path, others, keys, input_format, serde, parameters)

    found = [entry("", _HUDI, read_optimized=False)]
    if properties.get("hoodie.table.type") == "MERGE_ON_READ":
        found = [entry("_ro", _HUDI, read_optimized=True), entry("_rt", _REALTIME, read_optimized=False)]
    return (*found, _tombstones(table)) if table.glue.tombstones else tuple(found)


def partition_fields(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns by which a table is partitioned."""
    named = properties.get("hoodie.table.partition.fields", "")
    # Some versions write the kind of each behind it.
    return tuple(name.partition(":")[0] for name in named.split(",") if name)


def values_of(path: str) -> tuple[str, ...]:
    """Return the values of a partition's path, such as `country=DE/dt=20260131`; in it some letters are `%XX`."""
    return tuple(unquote(part.partition("=")[2]) for part in path.split("/"))


def _tombstones(table: CatalogTable) -> Entry:
    return Entry(
        name=f"{table.table_name}_tombstones",
        location=f"{table.base_path}/{_TOMBSTONES}",
        columns=_TOMBSTONE_COLUMNS,
        input_format=_PARQUET,
        parameters={"EXTERNAL": "TRUE", "classification": "parquet"},
    )
