"""Schemas: what a record is, and the column list or catalog table that says what a payload is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from streamjoin.aws.errors import Remedies, translated
from streamjoin.errors import SchemaError
from streamjoin.schema.attribute_names import AttributeNames
from streamjoin.schema.ddl import parse_schema, parse_type

RECORD_SCHEMA: Final = parse_schema(
    "stream string, shard_id string, sequence_number string, sub_sequence_number bigint, partition_key string, "
    "approximate_arrival_timestamp timestamp, data binary"
)
# Sequence numbers are decimal strings of up to 56 digits, of differing width: padded to one, text order is their order.
SEQUENCE_NUMBER_DIGITS: Final = 64
RECORD_FIELDS: Final = tuple(RECORD_SCHEMA.names)

_GLUE_REMEDIES: Final = Remedies(
    missing="Check payload.schema.glue_catalog and the region.",
    denied="Allow glue:GetTable on it, its database and the catalog.",
    throttled="Start the job again.",
    unreachable="Check the network, the credentials, the region and AWS_ENDPOINT_URL.",
)


def schema_from_columns(columns: Sequence[Mapping[str, str]]) -> pa.Schema:
    """Return the schema of a list of `{name, type}`.

    Raises:
        SchemaError: Names every column that can't be used.
    """
    fields, problems, seen = [], [], set()
    for index, column in enumerate(columns):
        if not isinstance(column, Mapping) or set(column) != {"name", "type"}:
            problems.append(f"column {index + 1}: expected a mapping with the keys name and type, and no other")
            continue
        name, text = column["name"], column["type"]
        if not isinstance(name, str) or not name or not isinstance(text, str):
            problems.append(f"column {index + 1}: name and type must be text")
            continue
        if name.lower() in seen:
            problems.append(f"column '{name}': declared twice (upper and lower case count as one)")
        seen.add(name.lower())
        try:
            fields.append(pa.field(name, parse_type(text)))
        except SchemaError as error:
            problems.append(f"column '{name}': {error}")
    if not columns:
        problems.append("no columns; declare at least one")
    if problems:
        raise SchemaError("; ".join(problems))
    return pa.schema(fields)


def schema_from_glue(client: Any, database: str, table: str) -> pa.Schema:
    """Return the columns of a table of the Glue Data Catalog, without its partition keys, and their attributes' names.

    Args:
        client: boto3's Glue client.
        database: Name of the catalog's database.
        table: Name of the table.

    Raises:
        SchemaError: No such table, access denied, or a column of a type that a payload can't have.
    """
    where = f"Glue catalog table '{database}.{table}'"
    with translated(SchemaError, f"{where}: GetTable", _GLUE_REMEDIES):
        answer = client.get_table(DatabaseName=database, Name=table)
    storage = answer["Table"].get("StorageDescriptor", {})
    names = AttributeNames.of_serde(storage.get("SerdeInfo", {}).get("Parameters", {}))
    columns = [{"name": c["Name"], "type": _without_length(c["Type"])} for c in storage.get("Columns", [])]
    try:
        return names.with_columns(schema_from_columns(columns))
    except SchemaError as error:
        message = (
            f"{where}: {error}. Change the table in the catalog (there mapping.<name> of the SerDe gives an attribute "
            "another name), or declare payload.schema in this file"
        )
        raise SchemaError(message) from error


def _without_length(text: str) -> str:
    # Hive's varchar(n) and char(n); Spark reads both as string.
    return re.sub(r"\b(?:var)?char\s*\(\s*\d+\s*\)", "string", text, flags=re.IGNORECASE)
