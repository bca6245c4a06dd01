import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
import zstandard
from pyspark.sql import SparkSession

from streamjoin.errors import SchemaError
from streamjoin.records.avro.schema import parse_avro_schema
from streamjoin.records.decode import decode
from streamjoin.records.decoder import PayloadFormat
from streamjoin.records.events import Events
from streamjoin.spark.schema import RECORD_STRUCT

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)


def test_good_records_become_events_beside_bad_neighbours_that_keep_their_bytes_and_place(spark: SparkSession) -> None:
    payloads = [b'{"id": "a", "n": 1}', b"", b"\xff", b"{", b"[]", b'{"id": "a", "n": "1"}', b'{"n": null}']
    rows = [("s", "shard-0", str(i), 0, "k", ARRIVED, bytearray(p)) for i, p in enumerate(payloads)]
    events = decode(spark.createDataFrame(rows, RECORD_STRUCT), "id string, n int")
    assert [tuple(r) for r in events.kept.collect()] == [("a", 1), (None, None)]
    rejected = {r["sequence_number"]: (bytes(r["data"]), r["reason"]) for r in events.rejected.collect()}
    assert rejected == {
        "1": (b"", "EMPTY_PAYLOAD"),
        "2": (b"\xff", "NOT_UTF8"),
        "3": (b"{", "MALFORMED_JSON"),
        "4": (b"[]", "NOT_AN_OBJECT"),
        "5": (b'{"id": "a", "n": "1"}', "WRONG_TYPE"),
    }


AVRO: dict[str, Any] = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": "id", "type": ["null", "string"]},
        {"name": "n", "type": "int"},
        {"name": "p", "type": {"type": "map", "values": {"type": "array", "items": "double"}}},
    ],
}


def decoded(spark: SparkSession, payloads: list[bytes], schema: Any, form: PayloadFormat) -> Events:
    rows = [("s", "shard-0", str(i), 0, "k", ARRIVED, bytearray(p)) for i, p in enumerate(payloads)]
    return decode(spark.createDataFrame(rows, RECORD_STRUCT), schema, form)


def rejects(events: Events) -> dict[str, tuple[bytes, str]]:
    return {r["sequence_number"]: (bytes(r["data"]), r["reason"]) for r in events.rejected.collect()}


def test_rows_of_csv_become_events_beside_bad_neighbours_that_keep_their_bytes_and_place(spark: SparkSession) -> None:
    packed = gzip.compress(b"b,2")
    payloads = [
        b"a,1\r\n",
        b"a",
        packed,
        packed[:-1],
        b'"a',
        b"a,x",
        zstandard.compress(b'"c,",'),
        gzip.compress(bytes(99)),
    ]
    events = decoded(spark, payloads, "id string, n int", PayloadFormat("csv", max_unpacked_bytes=90))
    assert [tuple(r) for r in events.kept.collect()] == [("a", 1), ("b", 2), ("c,", None)]
    assert rejects(events) == {
        "1": (payloads[1], "MALFORMED_CSV"),
        "3": (payloads[3], "MALFORMED_COMPRESSION"),
        "4": (payloads[4], "MALFORMED_CSV"),
        "5": (payloads[5], "WRONG_TYPE"),
        "7": (payloads[7], "TOO_LARGE"),
    }


def test_avro_records_become_events_beside_bad_neighbours_that_keep_their_bytes_and_place(spark: SparkSession) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(AVRO), {"id": "a", "n": 1, "p": {"k": [1.5]}})
    plain, schema = out.getvalue(), parse_avro_schema(json.dumps(AVRO))
    single = b"\xc3\x01" + schema.fingerprint + plain
    payloads = [
        plain,
        plain[:-1],
        single,
        b"\xc3\x01" + bytes(8) + plain,
        gzip.compress(single),
        b"\x02\x02\xff\x02\x00",
    ]
    events = decoded(spark, payloads, schema.columns, PayloadFormat("avro", avro_schema=schema))
    assert [tuple(r) for r in events.kept.collect()] == [("a", 1, {"k": [1.5]})] * 3
    assert rejects(events) == {
        "1": (payloads[1], "MALFORMED_AVRO"),
        "3": (payloads[3], "UNKNOWN_SCHEMA"),
        "5": (payloads[5], "NOT_UTF8"),
    }


def test_a_type_that_the_format_can_not_have_is_refused_before_anything_is_read(spark: SparkSession) -> None:
    with pytest.raises(SchemaError, match="csv has simple types only"):
        decode(spark.createDataFrame([], RECORD_STRUCT), "a array<int>", PayloadFormat("csv"))


def test_a_frame_with_payloads_alone_is_enough(spark: SparkSession) -> None:
    events = decode(
        spark.createDataFrame([(bytearray(b'{"s": {"x": [1]}}'),)], "data binary"), "s struct<x:array<int>>"
    )
    assert [r["s"]["x"] for r in events.kept.collect()] == [[1]]


def test_columns_of_an_event_may_have_the_names_of_a_records(spark: SparkSession) -> None:
    records = spark.createDataFrame([("s", "x", "1", 0, "k", ARRIVED, bytearray(b'{"stream": "mine"}'))], RECORD_STRUCT)
    assert [tuple(r) for r in decode(records, "stream string, data string").kept.collect()] == [("mine", None)]


def test_a_schema_that_can_not_be_parsed_is_refused_before_anything_is_read(spark: SparkSession) -> None:
    with pytest.raises(SchemaError):
        decode(spark.createDataFrame([], RECORD_STRUCT), "id strin")
