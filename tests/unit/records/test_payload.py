import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.decoder import PayloadDecoder, Rejected
from streamjoin.schema.ddl import parse_schema


def decode_one(ddl: str, payload: bytes) -> Any:
    """Return the value of a schema's only column, or the reject."""
    row = PayloadDecoder(parse_schema(ddl))(payload)
    return row if isinstance(row, Rejected) else row[0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.EMPTY_PAYLOAD),
        (b" \n\t", RejectReason.EMPTY_PAYLOAD),
        (None, RejectReason.EMPTY_PAYLOAD),
        (b'{"a": "\xff"}', RejectReason.NOT_UTF8),
        (b'{"unread": "\xff", "a": "x"}', RejectReason.NOT_UTF8),
        (b"{", RejectReason.MALFORMED_JSON),
        (b"not json", RejectReason.MALFORMED_JSON),
        (b'{"a": "x"} {"a": "y"}', RejectReason.MALFORMED_JSON),
        (b'{"a": NaN}', RejectReason.MALFORMED_JSON),
        (b'{"a": 01}', RejectReason.MALFORMED_JSON),
        (b'{"a": "\\ud800"}', RejectReason.MALFORMED_JSON),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", RejectReason.MALFORMED_JSON),
        (b"[1]", RejectReason.NOT_AN_OBJECT),
        (b'"text"', RejectReason.NOT_AN_OBJECT),
        (b"null", RejectReason.NOT_AN_OBJECT),
    ],
)
def test_a_payload_that_is_no_json_object_is_rejected_with_its_reason(
    payload: bytes | None, reason: RejectReason
) -> None:
    rejected = PayloadDecoder(parse_schema("a string"))(payload)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason
    assert rejected.detail


@pytest.mark.parametrize("text", ["1.10", "5", "-0", "1e5", "12345678901234567890.123", "true"])
def test_a_number_or_boolean_fits_a_string_column_as_its_own_text(text: str) -> None:
    assert decode_one("a string", f'{{"a": {text}}}'.encode()) == text


def test_a_nested_value_fits_a_string_column_as_its_json_text() -> None:
    assert decode_one("a string", b'{"a": {"x": [1, 2.50, "y"]}}') == '{"x": [1, 2.50, "y"]}'


@pytest.mark.parametrize(
    "ddl", ["a int", "a bigint", "a double", "a float", "a decimal(10,2)", "a tinyint", "a smallint"]
)
@pytest.mark.parametrize("value", ['"5"', '"NaN"', "true", "{}", "[1]"])
def test_only_a_number_fits_a_number_column(ddl: str, value: str) -> None:
    rejected = decode_one(ddl, f'{{"a": {value}}}'.encode())
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.WRONG_TYPE
    assert rejected.detail.startswith("column 'a': expected ")


@pytest.mark.parametrize(
    ("ddl", "text", "value"),
    [
        ("a tinyint", "-128", -128),
        ("a int", "2147483647", 2147483647),
        ("a int", "5.0", 5),
        ("a bigint", "9223372036854775807", 9223372036854775807),
        ("a double", "1.5", 1.5),
        ("a decimal(10,2)", "12345678.90", Decimal("12345678.90")),
        ("a decimal(38,0)", "9" * 38, Decimal("9" * 38)),
        ("a boolean", "false", False),
        ("a date", '"2026-01-31"', date(2026, 1, 31)),
        ("a timestamp", '"2022-03-24T02:27:41Z"', datetime(2022, 3, 24, 2, 27, 41, tzinfo=UTC)),
        ("a timestamp", '"2022-03-24T04:27:41.5+02:00"', datetime(2022, 3, 24, 2, 27, 41, 500000, tzinfo=UTC)),
        ("a binary", '"AAEC"', b"\x00\x01\x02"),
        ("a array<int>", "[1, null]", [1, None]),
        ("a map<string,int>", '{"x": 1}', [("x", 1)]),
        ("a struct<b:string,c:int>", '{"b": "x"}', {"b": "x", "c": None}),
        ("a string", '"\\u00e9\\ud83d\\ude00"', "é😀"),
    ],
)
def test_a_value_of_its_columns_type_is_kept_exactly(ddl: str, text: str, value: object) -> None:
    assert decode_one(ddl, f'{{"a": {text}}}'.encode()) == value


@pytest.mark.parametrize(
    ("ddl", "text"),
    [
        ("a tinyint", "128"),
        ("a int", "2147483648"),
        ("a int", "1.5"),
        ("a int", "1e400"),
        ("a bigint", "9" * 5000),
        ("a double", "1e999"),
        ("a float", "1e39"),
        ("a decimal(10,2)", "1.005"),
        ("a decimal(3,2)", "10"),
        ("a decimal(38,0)", "1e99999999"),
        ("a boolean", "1"),
        ("a date", '"2022-13-24"'),
        ("a timestamp", '"2022-13-24T02:27:41Z"'),
        ("a timestamp", '"0001-01-01T00:00:00+14:00"'),
        ("a timestamp", "1648088861"),
        ("a binary", '"not base64!"'),
        ("a array<int>", '{"x": 1}'),
        ("a array<int>", '["x"]'),
        ("a map<string,int>", "[1]"),
        ("a struct<b:int>", '{"b": "x"}'),
    ],
)
def test_a_value_that_is_not_exactly_of_its_type_is_rejected(ddl: str, text: str) -> None:
    rejected = decode_one(ddl, f'{{"a": {text}}}'.encode())
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.WRONG_TYPE


def test_missing_and_null_are_both_null() -> None:
    assert PayloadDecoder(parse_schema("a string, b int"))(b'{"a": null, "other": 1}') == [None, None]


def test_a_map_whose_keys_are_no_strings_is_refused_at_once() -> None:
    with pytest.raises(SchemaError, match="map"):
        PayloadDecoder(pa.schema([pa.field("a", pa.map_(pa.int32(), pa.string()))]))


WIDE = parse_schema(
    "s string, i int, l bigint, d double, f float, m decimal(20,4), b boolean, t timestamp, y date, x binary, "
    "a array<string>, p map<string,decimal(5,1)>, o struct<q:string,r:array<int>>"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["q", "r", "z"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([*WIDE.names, "other"]), json_values, max_size=6), st.data())
def test_no_bytes_make_the_decoder_raise_and_every_row_fits_arrow(event: dict[str, Any], data: st.DataObject) -> None:
    payload = json.dumps(event, ensure_ascii=data.draw(st.booleans())).encode(errors="surrogatepass")
    cut = data.draw(st.integers(0, len(payload)))
    noise = data.draw(st.binary(max_size=4))
    for candidate in (payload, payload[:cut], payload[:cut] + noise + payload[cut:], noise):
        row = PayloadDecoder(WIDE)(candidate)
        if not isinstance(row, Rejected):
            for value, field in zip(row, WIDE, strict=True):
                pa.array([value], field.type)


@given(st.text())
def test_text_survives_whatever_way_it_is_escaped(text: str) -> None:
    clean = text.encode(errors="ignore").decode()
    for ascii_only in (True, False):
        assert decode_one("a string", json.dumps({"a": clean}, ensure_ascii=ascii_only).encode()) == clean


@given(st.binary())
def test_binary_survives_as_base64(content: bytes) -> None:
    payload = json.dumps({"a": base64.b64encode(content).decode()}).encode()
    assert decode_one("a binary", payload) == content
