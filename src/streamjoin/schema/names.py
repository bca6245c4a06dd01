"""Names that a table's columns can have, and the fields of structs inside them.

Hudi keeps a table's schema as Avro, whose names are such; a dot would be taken for a step inwards. A catalog's names
have at most 255 characters (Glue's API, "Column"); in Athena upper and lower case count as one ("Name databases,
tables, and columns").
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

STORABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


def nested_problems(field: "pa.Field[Any]", *, read_as_avro: bool = False) -> Iterator[str]:
    """Yield what Hudi can't store inside a column, at any depth: names, structs without fields, some maps and times.

    Args:
        field: The column.
        read_as_avro: Whether Parquet's Avro reader reads the table's files: it takes the wrapper that every array has,
            and which is called `list`, for a struct of that name.
    """
    yield from _inside(field.type, field.name)
    if read_as_avro:
        yield from _called_list(field.type, field.name, field.name)


def _inside(data_type: pa.DataType, path: str) -> Iterator[str]:
    match data_type:
        case pa.ListType():
            yield from _inside(data_type.value_type, f"{path}[]")
        case pa.MapType():
            if data_type.key_type != pa.string():
                yield f"Hudi can't store '{path}', a map whose keys aren't strings"
            yield from _inside(data_type.item_type, f"{path}{{}}")
        case pa.TimestampType() if data_type.tz is None:
            yield f"Hudi can't store '{path}', a time without zone (timestamp_ntz)"
        case pa.StructType():
            seen: dict[str, str] = {}
            for field in data_type:
                twin = seen.get(field.name.lower())
                if not STORABLE_NAME.fullmatch(field.name):
                    yield f"Hudi can't store a field named '{field.name}' in '{path}'"
                elif twin is not None:
                    yield f"'{path}' has the fields '{twin}' and '{field.name}' (upper and lower case count as one)"
                seen.setdefault(field.name.lower(), field.name)
                yield from _inside(field.type, f"{path}.{field.name}")
            if not seen:
                yield f"Hudi can't store '{path}', a struct without fields"


def _called_list(data_type: pa.DataType, name: str, path: str) -> Iterator[str]:
    match data_type:
        case pa.ListType():
            if name == "list" and isinstance(data_type.value_type, pa.StructType):
                yield f"Hudi can't merge '{path}' on read where rows may move, an array of structs called list"
            yield from _called_list(data_type.value_type, "", f"{path}[]")
        case pa.MapType():
            yield from _called_list(data_type.item_type, "", f"{path}{{}}")
        case pa.StructType():
            for field in data_type:
                yield from _called_list(field.type, field.name, f"{path}.{field.name}")
