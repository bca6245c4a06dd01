import base64
import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.schema.ddl import parse_schema

CSV = PayloadFormat("csv")


def decode(ddl: str, payload: bytes, form: PayloadFormat = CSV) -> list[Any] | Rejected:
    return PayloadDecoder(parse_schema(ddl), form)(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.EMPTY_PAYLOAD),
        (b"\r\n", RejectReason.EMPTY_PAYLOAD),
        (b"a,\xff", RejectReason.NOT_UTF8),
        (b"a", RejectReason.MALFORMED_CSV),
        (b"a,b,c", RejectReason.MALFORMED_CSV),
        (b"a,b\nc,d", RejectReason.MALFORMED_CSV),
        (b"a,b\rc,d", RejectReason.MALFORMED_CSV),
        (b"a,b\n\nc", RejectReason.MALFORMED_CSV),
        (b'a,"b', RejectReason.MALFORMED_CSV),
        (b'a,"b"c', RejectReason.MALFORMED_CSV),
        (b'"', RejectReason.MALFORMED_CSV),
    ],
)
def test_a_payload_that_is_not_one_row_is_rejected_with_its_reason(payload: bytes, reason: RejectReason) -> None:
    rejected = decode("a string, b string", payload)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason
    assert rejected.detail


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_row_may_end_with_its_line(end: bytes) -> None:
    assert decode("a string, b int", b'"x, ""y""\nz",5' + end) == ['x, "y"\nz', 5]


@pytest.mark.parametrize(
    ("ddl", "text", "value"),
    [
        ("a tinyint", "-128", -128),
        ("a int", "2147483647", 2147483647),
        ("a int", "007", 7),
        ("a int", "5.0", 5),
        ("a bigint", "9223372036854775807", 9223372036854775807),
        ("a double", "-1.5e3", -1500.0),
        ("a decimal(10,2)", "12345678.90", Decimal("12345678.90")),
        ("a boolean", "true", True),
        ("a date", "2026-01-31", date(2026, 1, 31)),
        ("a timestamp", "2022-03-24T02:27:41Z", datetime(2022, 3, 24, 2, 27, 41, tzinfo=UTC)),
        ("a timestamp", "2022-03-24 02:27:41", datetime(2022, 3, 24, 2, 27, 41, tzinfo=UTC)),
        ("a binary", "AAEC", b"\x00\x01\x02"),
        ("a string", "1.10", "1.10"),
        ("a string", " ", " "),
    ],
)
def test_a_value_of_its_columns_type_is_kept_exactly(ddl: str, text: str, value: object) -> None:
    assert decode(ddl, text.encode()) == [value]


@pytest.mark.parametrize(
    ("ddl", "text"),
    [
        ("a tinyint", "128"),
        ("a int", "1.5"),
        ("a int", " 5"),
        ("a int", "1_000"),
        ("a int", "٣"),
        ("a int", "+5"),
        ("a bigint", "9" * 5000),
        ("a double", "NaN"),
        ("a double", "1e999"),
        ("a double", "inf"),
        ("a decimal(10,2)", "1.005"),
        ("a decimal(10,2)", "Infinity"),
        ("a decimal(38,0)", "1e99999999999999999999"),
        ("a boolean", "True"),
        ("a date", "2022-13-24"),
        ("a timestamp", "yesterday"),
        ("a binary", "not base64!"),
    ],
)
def test_a_value_that_is_not_exactly_of_its_type_is_rejected(ddl: str, text: str) -> None:
    rejected = decode(ddl, text.encode())
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.WRONG_TYPE
    assert rejected.detail.startswith("column 'a': expected ")


def test_an_empty_field_is_null_and_so_is_another_text_if_that_is_set() -> None:
    assert decode("a string, b int, c string", b',,""') == [None, None, None]
    hive = PayloadFormat("csv", null_text="\\N")
    assert decode("a string, b int, c string", b"\\N,\\N,", hive) == [None, None, ""]
    rejected = decode("a string, b int, c string", b",,", hive)
    assert isinstance(rejected, Rejected)
    assert rejected.detail == "column 'b': expected int, found other text"


def test_fields_may_stand_apart_by_another_character() -> None:
    assert decode("a string, b string", b"x,y\tz", PayloadFormat("csv", delimiter="\t")) == ["x,y", "z"]
    assert decode("a string, b string", b"\t", PayloadFormat("csv", delimiter="\t")) == [None, None]


def test_a_field_may_be_as_large_as_a_payload() -> None:
    text = "x" * 1_000_000
    assert decode("a string, b string", f'{text},"{text}"'.encode()) == [text, text]


@pytest.mark.parametrize("found", ["array<string>", "map<string,int>", "struct<x:int>"])
def test_a_nested_type_is_refused_at_once(found: str) -> None:
    with pytest.raises(SchemaError, match=r"column 'a' is of type .*; csv has simple types only"):
        PayloadDecoder(parse_schema(f"a {found}"), CSV)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_text_survives_whatever_it_holds(fields: list[str], quoting: Any) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerow(fields)
    ddl = ", ".join(f"c{i} string" for i in range(len(fields)))
    assert decode(ddl, out.getvalue().encode()) == fields


@given(st.binary(min_size=1))
def test_binary_survives_as_base64(content: bytes) -> None:
    assert decode("a binary", base64.b64encode(content)) == [content]
