import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import SchemaError
from streamjoin.records.avro.reading import NotOfTypeError
from streamjoin.records.avro.resolution import RowReader
from streamjoin.records.avro.schema import AvroSchema, parse_avro_schema

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
DATE = {"type": "int", "logicalType": "date"}


def record(*fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "event", "fields": list(fields)}


def field(found: Any, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": found, **more}


def parsed(schema: Any) -> AvroSchema:
    return parse_avro_schema(json.dumps(schema))


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def resolved(writer: Any, reader: Any, value: Any) -> Any:
    """Return what the value of a record's only field is, written with one type and read with the other."""
    data = written(record(field(writer)), {"a": value})
    row, end = RowReader(parsed(record(field(writer))).record, parsed(record(field(reader))).record)(data, 0)
    assert end == len(data)
    return row[0]


# A type and values of it, as fastavro takes and gives them.
simple = st.sampled_from(
    [
        ("boolean", st.booleans()),
        ("int", st.integers(-(2**31), 2**31 - 1)),
        ("long", st.integers(-(2**63), 2**63 - 1)),
        ("float", st.floats(width=32, allow_nan=False)),
        ("double", st.floats(allow_nan=False)),
        ("bytes", st.binary(max_size=9)),
        ("string", st.text(max_size=9)),
        (DECIMAL, st.decimals(Decimal(-(10**15)), Decimal(10**15), places=4)),
        (DATE, st.dates()),
        (MICROS, st.datetimes(timezones=st.just(UTC))),
        ({"type": "fixed", "size": 3}, st.binary(min_size=3, max_size=3)),
        ({"type": "enum", "symbols": ["A", "B", "C"]}, st.sampled_from("ABC")),
    ]
)


def nested(inner: Any) -> Any:
    return st.one_of(
        inner.map(lambda pair: ({"type": "array", "items": pair[0]}, st.lists(pair[1], max_size=3))),
        inner.map(
            lambda pair: ({"type": "map", "values": pair[0]}, st.dictionaries(st.text(max_size=3), pair[1], max_size=3))
        ),
        inner.filter(lambda pair: not isinstance(pair[0], list)).map(
            lambda pair: (["null", pair[0]], st.none() | pair[1])
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda pairs: (
                {"type": "record", "fields": [field(p[0], f"f{i}") for i, p in enumerate(pairs)]},
                st.fixed_dictionaries({f"f{i}": p[1] for i, p in enumerate(pairs)}),
            )
        ),
    )


types = st.recursive(simple, nested, max_leaves=6)


def named(schema: Any, path: str) -> Any:
    """Return `schema` with a name of its own for each type that needs one."""
    if isinstance(schema, list):
        return [named(branch, path) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {
        key: named(value, f"{path}_{key}") if key in ("items", "values") else value for key, value in schema.items()
    }
    if schema["type"] in ("record", "enum", "fixed"):
        schema["name"] = path
    if "fields" in schema:
        schema["fields"] = [field(named(f["type"], f"{path}_{f['name']}"), f["name"]) for f in schema["fields"]]
    return schema


def as_column(schema: Any, value: Any) -> Any:
    """Return a value of fastavro as Arrow takes it: a map is a list of pairs."""
    if value is None or isinstance(schema, str):
        return value
    if isinstance(schema, list):
        return as_column(schema[1], value)
    if schema["type"] == "array":
        return [as_column(schema["items"], item) for item in value]
    if schema["type"] == "map":
        return [(key, as_column(schema["values"], item)) for key, item in value.items()]
    if schema["type"] == "record":
        return {f["name"]: as_column(f["type"], value[f["name"]]) for f in schema["fields"]}
    return value


@settings(max_examples=300, deadline=None)
@given(st.lists(types, min_size=1, max_size=4), st.data())
def test_what_another_library_wrote_is_read_as_that_library_reads_it(pairs: Any, data: st.DataObject) -> None:
    schema = record(*(field(named(found, f"t{i}"), f"c{i}") for i, (found, _) in enumerate(pairs)))
    value = {f"c{i}": data.draw(values) for i, (_, values) in enumerate(pairs)}
    payload = written(schema, value)
    theirs = fastavro.schemaless_reader(io.BytesIO(payload), fastavro.parse_schema(schema), None)
    expected = list(as_column(schema, theirs).values())
    found = parsed(schema)
    row, end = RowReader(found.record, found.record)(payload, 0)
    assert (row, end) == (expected, len(payload))
    for one, arrow in zip(row, found.columns, strict=True):
        pa.array([one], arrow.type)


@settings(max_examples=200, deadline=None)
@given(st.lists(types, min_size=2, max_size=5), st.data())
def test_dropped_moved_and_added_fields_are_resolved_as_that_library_resolves_them(
    pairs: Any, data: st.DataObject
) -> None:
    fields = [field(named(found, f"t{i}"), f"c{i}") for i, (found, _) in enumerate(pairs)]
    writer = record(*fields)
    kept = data.draw(st.permutations(fields))[: data.draw(st.integers(1, len(fields)))]
    added = [field("string", "new", default="é"), field(["null", "int"], "none", default=None)]
    reader = record(*data.draw(st.permutations([*kept, *added])))
    payload = written(writer, {f"c{i}": data.draw(values) for i, (_, values) in enumerate(pairs)})
    theirs = fastavro.schemaless_reader(
        io.BytesIO(payload), fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    )
    row, end = RowReader(parsed(writer).record, parsed(reader).record)(payload, 0)
    expected = [as_column(f["type"], theirs[f["name"]]) for f in reader["fields"]]
    assert (row, end) == (expected, len(payload))


@pytest.mark.parametrize(
    ("writer", "reader", "value", "expected"),
    [
        ("int", "long", 5, 5),
        ("int", "double", 5, 5.0),
        ("long", "double", 2**53, float(2**53)),
        ("float", "double", 1.5, 1.5),
        ("string", "bytes", "é", "é".encode()),
        ("bytes", "string", "é".encode(), "é"),
        ("int", ["null", "long"], 5, 5),
        (["null", "int"], ["long", "null"], None, None),
        (["null", "int"], "long", 5, 5),
        # Another library's Java reader takes milliseconds for microseconds here.
        (MILLIS, MICROS, datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)),
        ("long", MILLIS, 1_000, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("int", MICROS, 7, datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC)),
        (MILLIS, "long", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000),
        ("int", DATE, 1, date(1970, 1, 2)),
        ("bytes", DECIMAL, b"\x27\x10", Decimal("1.0000")),
        (DECIMAL, {**DECIMAL, "precision": 22}, Decimal("1.5"), Decimal("1.5000")),
    ],
)
def test_a_type_that_became_another_keeps_its_value(writer: Any, reader: Any, value: Any, expected: Any) -> None:
    found = resolved(writer, reader, value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("long", "int"),
        ("double", "float"),
        ("string", "int"),
        (DATE, MILLIS),
        (DECIMAL, {**DECIMAL, "scale": 5}),
        ("string", {"type": "array", "items": "string"}),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
        ({"type": "fixed", "name": "f", "size": 2}, "string"),
    ],
)
def test_types_that_can_not_become_one_another_are_refused_with_the_column(writer: Any, reader: Any) -> None:
    with pytest.raises(SchemaError, match="column 'a': the writer's "):
        RowReader(parsed(record(field(writer))).record, parsed(record(field(reader))).record)


@pytest.mark.parametrize(
    ("writer", "reader", "value"),
    [
        (["null", "int"], "int", None),
        ("long", "double", 2**53 + 1),
        ("int", "float", 2**24 + 1),
        (DECIMAL, {**DECIMAL, "precision": 5}, Decimal(10)),
        ("bytes", DECIMAL, b"\x7f" * 9),
        ("bytes", DECIMAL, b"\x7f" * 100),
        ("bytes", DECIMAL, b""),
        ("int", DATE, 2**31 - 1),
        ("long", MILLIS, -(2**62)),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, {"type": "enum", "name": "e", "symbols": ["B"]}, "A"),
    ],
)
def test_a_value_without_a_place_in_its_column_names_the_column(writer: Any, reader: Any, value: Any) -> None:
    with pytest.raises(NotOfTypeError, match=r"^column 'a': expected "):
        resolved(writer, reader, value)


def test_a_symbol_that_is_gone_is_the_enums_default() -> None:
    newer = {"type": "enum", "name": "e", "symbols": ["B", "OTHER"], "default": "OTHER"}
    assert resolved({"type": "enum", "name": "e", "symbols": ["A", "B"]}, newer, "A") == "OTHER"


def test_a_renamed_field_is_found_by_its_alias_also_within_a_record() -> None:
    def schema(inner: Any) -> dict[str, Any]:
        return record(field({"type": "record", "name": "r", "fields": [inner]}))

    writer, reader = schema(field("int", "old")), schema(field("int", "new", aliases=["old"]))
    row, _ = RowReader(parsed(writer).record, parsed(reader).record)(written(writer, {"a": {"old": 5}}), 0)
    assert row == [{"new": 5}]


def test_two_fields_that_are_one_column_are_refused() -> None:
    writer, reader = record(field("int", "old"), field("int", "new")), record(field("int", "new", aliases=["old"]))
    with pytest.raises(SchemaError, match="column 'new': two fields of the writer are it"):
        RowReader(parsed(writer).record, parsed(reader).record)


def test_a_new_field_without_a_default_is_refused() -> None:
    writer, reader = record(field("int")), record(field("int"), field("int", "b"))
    with pytest.raises(SchemaError, match="column 'b': the writer has no such field, and it has no default"):
        RowReader(parsed(writer).record, parsed(reader).record)


@pytest.mark.parametrize(
    ("found", "default", "expected"),
    [
        ({"type": "array", "items": "int"}, [1], [1]),
        ({"type": "map", "values": "int"}, {"k": 1}, [("k", 1)]),
        ("bytes", "\u00ff", b"\xff"),
        ("double", 1, 1.0),
        (DATE, 1, date(1970, 1, 2)),
        (["int", "null"], 3, 3),
        ({"type": "record", "name": "r", "fields": [field("int", "x", default=4)]}, {}, {"x": 4}),
    ],
)
def test_a_default_is_a_value_of_its_column(found: Any, default: Any, expected: Any) -> None:
    writer, reader = record(field("int", "old")), record(field(found, default=default))
    row, _ = RowReader(parsed(writer).record, parsed(reader).record)(written(writer, {"old": 1}), 0)
    assert row == [expected]
