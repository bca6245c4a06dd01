import json
import pickle
from typing import Any

import pytest

from streamjoin.errors import SchemaError
from streamjoin.records.avro.schema import parse_avro_schema
from streamjoin.schema.ddl import parse_schema, to_ddl


def schema_of(*types: Any) -> str:
    fields = [{"name": f"f{index}", "type": found} for index, found in enumerate(types)]
    return json.dumps({"type": "record", "name": "event", "fields": fields})


FIXED_16 = {"type": "fixed", "name": "f16", "size": 16}
ADDRESS = {"type": "record", "name": "address", "fields": [{"name": "city", "type": "string"}]}


@pytest.mark.parametrize(
    ("found", "column"),
    [
        *((word, ddl) for word, ddl in (("int", "int"), ("long", "bigint"), ("float", "float"), ("double", "double"))),
        *((word, ddl) for word, ddl in (("boolean", "boolean"), ("bytes", "binary"), ("string", "string"))),
        (FIXED_16, "binary"),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "string"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}, "decimal(10,2)"),
        ({**FIXED_16, "logicalType": "decimal", "precision": 38}, "decimal(38,0)"),
        ({**FIXED_16, "logicalType": "uuid"}, "string"),
        ({"type": "string", "logicalType": "uuid"}, "string"),
        ({"type": "int", "logicalType": "date"}, "date"),
        ({"type": "long", "logicalType": "timestamp-millis"}, "timestamp"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "timestamp"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, "timestamp"),
        ({"type": "int", "logicalType": "time-millis"}, "int"),
        ({"type": "long", "logicalType": "of-a-later-version"}, "bigint"),
        (["null", "long"], "bigint"),
        (["string", "null"], "string"),
        ({"type": "array", "items": ["null", "int"]}, "array<int>"),
        ({"type": "map", "values": ADDRESS}, "map<string,struct<city:string>>"),
    ],
)
def test_a_type_of_avro_is_a_column(found: Any, column: str) -> None:
    columns = parse_avro_schema(schema_of(found)).columns
    assert columns == parse_schema(f"f0 {column}")
    assert parse_schema(to_ddl(columns)) == columns


def test_a_name_that_is_used_again_is_its_type() -> None:
    columns = parse_avro_schema(schema_of(ADDRESS, ["null", "address"])).columns
    assert columns == parse_schema("f0 struct<city:string>, f1 struct<city:string>")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON: line 1, column 2"),
        ("[" * 100_000, "nested too deeply"),
        ('"string"', "expected an Avro schema of type record"),
        ("5", "not an Avro schema"),
        ('{"type": "record", "name": "r"}', "record 'r' has no fields"),
        ('{"type": "record", "name": "r", "fields": 5}', "not an Avro schema"),
        (schema_of("nothing"), "not an Avro schema: UnknownType: nothing"),
        (schema_of("null"), "column 'f0': type null holds no value"),
        (schema_of(["null"]), "column 'f0': a union of null; allowed: null and one other type"),
        (schema_of(["int", "string"]), "column 'f0': a union of int, string; allowed"),
        (schema_of(["null", "int", "string"]), "column 'f0': a union of null, int, string; allowed"),
        (
            schema_of({"type": "array", "items": ["int", "null", ADDRESS]}),
            r"column 'f0\[\]': a union of int, null, rec",
        ),
        (schema_of({"type": "fixed", "name": "f", "size": 0}), "column 'f0': fixed of size 0; allowed"),
        (schema_of({"type": "record", "name": "r", "fields": []}), "column 'f0': record 'r' has no fields"),
        (schema_of({"type": "array", "items": "event"}), r"column 'f0\[\]': record 'event' holds itself"),
        (schema_of({"type": "bytes", "logicalType": "decimal"}), "column 'f0': decimal of precision None"),
        (schema_of({"type": "bytes", "logicalType": "decimal", "precision": 39}), "decimal of precision 39"),
        (
            schema_of({"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 4}),
            "decimal scale must be less than or equal to the precision",
        ),
        (
            '{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "A", "type": "int"}]}',
            "column 'A': declared twice",
        ),
    ],
)
def test_what_can_not_be_columns_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        parse_avro_schema(text)


def test_a_schema_nested_deeper_than_a_schema_may_be_is_refused() -> None:
    found: Any = "int"
    for _ in range(60):
        found = {"type": "array", "items": found}
    with pytest.raises(SchemaError, match="nested deeper than 50 levels"):
        parse_avro_schema(schema_of(found))


def test_the_fingerprint_is_that_of_the_canonical_form_in_the_order_of_the_header() -> None:
    # Source: the specification's CRC-64-AVRO, computed bit by bit; the header has its bytes in little-endian order.
    canonical = '{"name":"n.event","type":"record","fields":[{"name":"a","type":"long"}]}'
    written = (
        '{"type": "record", "namespace": "n", "name": "event", "doc": "d", "fields": '
        '[{"name": "a", "default": 1, "type": {"type": "long", "logicalType": "timestamp-millis"}}]}'
    )
    empty = crc = 0xC15D213AA4D7A795
    for byte in canonical.encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (empty if crc & 1 else 0)
    assert parse_avro_schema(written).fingerprint == crc.to_bytes(8, "little")


def test_a_schema_can_be_pickled() -> None:
    schema = parse_avro_schema(schema_of("int", ["null", ADDRESS]))
    assert pickle.loads(pickle.dumps(schema)) == schema  # noqa: S301
