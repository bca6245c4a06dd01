"""A table's columns as the Glue Data Catalog has them, and as Spark wants them beside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from streamjoin.records.avro.schema import parse_avro_schema
from streamjoin.schema.ddl import type_text

_HUDI_COLUMNS: Final[dict[str, str]] = {
    "_hoodie_commit_time": "Instant of the commit that wrote the row.",
    "_hoodie_commit_seqno": "Number of the row in its commit.",
    "_hoodie_record_key": "What Hudi knows the row by.",
    "_hoodie_partition_path": "Folder of the row's partition.",
    "_hoodie_file_name": "File that the row is in.",
}
_OWN_COLUMNS: Final[dict[str, str]] = {
    "_ordering_us": "By it the newer of two events is told.",
    "_sequence_number": "Sequence number of the event's record in its stream.",
    "_item_key": "Primary key of the DynamoDB item.",
    "_change_id": "What the change is known by, however often it was delivered.",
    "_order": "Its order is that of the item's changes.",
    "_attributes": "Attributes without a column, as JSON.",
}
# Hive's partition values are text. Of these types Hudi's text is what readers of the catalog take for a value.
_KEY_TYPES: Final = frozenset({"string", "boolean", "tinyint", "smallint", "int", "bigint", "date"})
# The names that Spark's JSON has and its SQL doesn't.
_SPARK_NAMES: Final = {"tinyint": "byte", "smallint": "short", "int": "integer", "bigint": "long"}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: As the table has it; a catalog has it in lower case.
        type: As the table has it.
        comment: What it is; empty: not known.
    """

    name: str
    type: pa.DataType
    comment: str = ""

    @property
    def key(self) -> str:
        """The name in the catalog, where upper and lower case are one."""
        return self.name.lower()

    @property
    def type_text(self) -> str:
        """The type in the words of Hive, which the catalog keeps."""
        # Names in a struct are letters, digits and _ (schema/names.py): none needs quotes, which Hive doesn't have.
        return type_text(self.type).lower()


def columns_of(schema: str) -> tuple[Column, ...]:
    """Return the columns of a table, those of Hudi first.

    Args:
        schema: As a commit has it, in Avro's JSON, with or without Hudi's columns.

    Raises:
        SchemaError: It can't be read.
    """
    docs = {field["name"]: field.get("doc") or "" for field in json.loads(schema)["fields"]}
    own = [
        Column(field.name, field.type, docs[field.name] or _OWN_COLUMNS.get(field.name, ""))
        for field in parse_avro_schema(schema).columns
        if field.name not in _HUDI_COLUMNS
    ]
    return (*(Column(name, pa.string(), text) for name, text in _HUDI_COLUMNS.items()), *own)


def as_keys(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return partition columns with types that every partition's text has a value of; others are text."""
    return tuple(each if each.type_text in _KEY_TYPES else replace(each, type=pa.string()) for each in columns)


def spark_properties(columns: Sequence[Column], partitions: Sequence[Column]) -> dict[str, str]:
    """Return the table parameters by which Spark takes the entry for a Hudi table of these columns.

    Source: SparkDataSourceTableUtils and HiveSyncConfigHolder (4,000 letters a part) of Hudi 1.0.2.
    """
    text = json.dumps(_struct([*columns, *partitions]), separators=(",", ":"), ensure_ascii=False)
    parts = [text[at : at + 4000] for at in range(0, len(text), 4000)]
    found = {
        "spark.sql.sources.provider": "hudi",
        "spark.sql.sources.schema.numParts": str(len(parts)),
        **{f"spark.sql.sources.schema.part.{index}": part for index, part in enumerate(parts)},
    }
    if partitions:
        found["spark.sql.sources.schema.numPartCols"] = str(len(partitions))
        found |= {f"spark.sql.sources.schema.partCol.{index}": each.name for index, each in enumerate(partitions)}
    return found


def _struct(columns: Sequence[Column]) -> Mapping[str, Any]:
    fields = [
        {"name": each.name, "type": _spark_type(each.type), "nullable": True, "metadata": _metadata(each)}
        for each in columns
    ]
    return {"type": "struct", "fields": fields}


def _metadata(column: Column) -> dict[str, str]:
    return {"comment": column.comment} if column.comment else {}


def _spark_type(data_type: pa.DataType) -> Any:
    match data_type:
        case pa.ListType():
            return {"type": "array", "elementType": _spark_type(data_type.value_type), "containsNull": True}
        case pa.MapType():
            value = _spark_type(data_type.item_type)
            return {"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": True}
        case pa.StructType():
            return _struct([Column(field.name, field.type) for field in data_type])
    name = type_text(data_type)
    return _SPARK_NAMES.get(name, name)
