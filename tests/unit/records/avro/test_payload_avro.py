import gzip
import io
import json
import struct
from decimal import Decimal
from typing import Any

import fastavro
import pytest
import zstandard

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.avro.schema import AvroSchema, parse_avro_schema
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.schema.ddl import parse_schema

OLD = {
    "type": "record",
    "name": "event",
    "fields": [{"name": "id", "type": "string"}, {"name": "n", "type": "int"}],
}
NEW = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "id", "type": ["null", "string"]},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            "default": "",
        },
        {"name": "tag", "type": "string", "default": "none"},
    ],
}
NEW["fields"][2]["default"] = "\u0000"  # type: ignore[index]


def avro(schema: Any) -> AvroSchema:
    return parse_avro_schema(json.dumps(schema))


def plain(schema: Any, event: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
    return out.getvalue()


def single_object(schema: Any, event: Any) -> bytes:
    return b"\xc3\x01" + avro(schema).fingerprint + plain(schema, event)


def decoder_of(schema: Any, *writers: Any, max_unpacked_bytes: int = 10_000_000) -> PayloadDecoder:
    found = avro(schema)
    form = PayloadFormat(
        "avro",
        avro_schema=found,
        avro_writer_schemas=tuple(map(avro, writers)),
        max_unpacked_bytes=max_unpacked_bytes,
    )
    return PayloadDecoder(found.columns, form)


def one_field(found: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": "a", "type": found}]}


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


EVENT = {"n": 5, "id": "x", "price": Decimal("1.50"), "tag": "t"}
ROW = [5, "x", Decimal("1.50"), "t"]


@pytest.mark.parametrize("encode", [plain, single_object])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_both_encodings_are_told_apart_record_by_record_compressed_or_not(encode: Any, pack: Any) -> None:
    assert decoder_of(NEW, OLD)(pack(encode(NEW, EVENT))) == ROW


def test_a_record_of_an_older_schema_is_read_as_one_of_the_newer() -> None:
    old = single_object(OLD, {"id": "x", "n": 5})
    assert decoder_of(NEW, OLD)(old) == [5, "x", Decimal("0.00"), "none"]


def test_a_record_of_a_schema_that_was_not_given_is_rejected_with_its_fingerprint() -> None:
    rejected = decoder_of(NEW)(single_object(OLD, {"id": "x", "n": 5}))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.UNKNOWN_SCHEMA
    assert f"{struct.unpack('<Q', avro(OLD).fingerprint)[0]:016x}" in rejected.detail


def test_a_plain_record_that_begins_like_a_single_object_is_rejected_and_not_guessed() -> None:
    # -98 is the two bytes C3 01.
    rejected = decoder_of(one_field("long"))(plain(one_field("long"), {"a": -98}))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.UNKNOWN_SCHEMA


@pytest.mark.parametrize("head", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
def test_a_plain_record_that_begins_like_a_compressed_one_is_itself(head: bytes) -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "a", "type": {"type": "fixed", "name": "f", "size": 30}}],
    }
    content = head + bytes(30 - len(head))
    assert decoder_of(schema)(plain(schema, {"a": content})) == [content]


def test_what_is_neither_unpacked_nor_a_record_is_rejected_as_compressed() -> None:
    broken = gzip.compress(plain(NEW, EVENT))[:-3]
    rejected = decoder_of(NEW)(broken)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.MALFORMED_COMPRESSION


@pytest.mark.parametrize(
    ("found", "payload"),
    [
        pytest.param("long", b"\x80", id="a number cut short"),
        pytest.param("long", b"\xff" * 20 + b"\x01", id="a number without end"),
        pytest.param("long", b"\xff" * 9 + b"\x7f", id="a number of more than 64 bits"),
        pytest.param("int", varint(2**31), id="an int of more than 32 bits"),
        pytest.param("boolean", b"\x02", id="a boolean that is neither"),
        pytest.param("float", b"123", id="a float cut short"),
        pytest.param("double", b"1234567", id="a double cut short"),
        pytest.param("string", varint(5) + b"abc", id="text cut short"),
        pytest.param("bytes", varint(-1) + b"abc", id="a negative length"),
        pytest.param("bytes", varint(2**62) + b"abc", id="a huge length"),
        pytest.param(["null", "int"], varint(-1) + b"\x02", id="a negative branch"),
        pytest.param(["null", "int"], varint(2) + b"\x02", id="a branch too many"),
        pytest.param({"type": "enum", "name": "e", "symbols": ["A"]}, varint(-1), id="a negative symbol"),
        pytest.param({"type": "enum", "name": "e", "symbols": ["A"]}, varint(1), id="a symbol too many"),
        pytest.param({"type": "fixed", "name": "f", "size": 4}, b"123", id="a fixed cut short"),
        pytest.param({"type": "array", "items": "long"}, varint(2**60) + b"\x02", id="a huge block"),
        pytest.param({"type": "array", "items": "long"}, varint(-(2**62)) + varint(9) + b"\x02", id="a huge sized one"),
        pytest.param({"type": "array", "items": "long"}, varint(1) + b"\x02", id="an array without end"),
        pytest.param({"type": "array", "items": "long"}, varint(-1) + varint(2) + b"\x02\x00", id="a block's size"),
        pytest.param({"type": "map", "values": "long"}, varint(1) + varint(1) + b"k", id="a key without value"),
        pytest.param("long", b"\x02\x02", id="bytes left over"),
    ],
)
def test_bytes_that_are_no_record_are_rejected(found: Any, payload: bytes) -> None:
    rejected = decoder_of(one_field(found))(payload)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.MALFORMED_AVRO
    assert rejected.detail


@pytest.mark.parametrize(
    ("found", "payload", "value"),
    [
        ({"type": "array", "items": "long"}, varint(-2) + varint(2) + b"\x02\x04" + varint(1) + b"\x06\x00", [1, 2, 3]),
        ({"type": "map", "values": "long"}, varint(2) + b"\x02a\x02\x02a\x04\x00", [("a", 2)]),
        ("long", b"\x82\x80\x00", 1),
    ],
)
def test_another_way_to_write_a_value_is_the_same_value(found: Any, payload: bytes, value: object) -> None:
    assert decoder_of(one_field(found))(payload) == [value]


def test_text_that_is_not_utf8_is_rejected_also_in_a_field_that_is_not_asked_for() -> None:
    two = {**OLD, "fields": [*OLD["fields"], {"name": "old", "type": "string"}]}
    payload = b"\xc3\x01" + avro(two).fingerprint + varint(1) + b"x" + varint(5) + varint(1) + b"\xff"
    rejected = decoder_of(OLD, two)(payload)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == RejectReason.NOT_UTF8


def test_no_bytes_are_an_empty_payload() -> None:
    for payload in (None, b"", gzip.compress(b"")):
        rejected = decoder_of(NEW)(payload)
        assert isinstance(rejected, Rejected)
        assert rejected.reason == RejectReason.EMPTY_PAYLOAD


def test_columns_that_are_not_the_schemas_are_refused_at_once() -> None:
    with pytest.raises(SchemaError, match="expected the columns of the Avro schema"):
        PayloadDecoder(parse_schema("other string"), PayloadFormat("avro", avro_schema=avro(NEW)))
