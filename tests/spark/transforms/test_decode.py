from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SchemaError
from streamjoin.schema import RECORD_SCHEMA
from streamjoin.transforms.decode import decode

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)


def test_good_records_become_events_beside_bad_neighbours_that_keep_their_bytes_and_place(spark: SparkSession) -> None:
    payloads = [b'{"id": "a", "n": 1}', b"", b"\xff", b"{", b"[]", b'{"id": "a", "n": "1"}', b'{"n": null}']
    rows = [("s", "shard-0", str(i), 0, "k", ARRIVED, bytearray(p)) for i, p in enumerate(payloads)]
    events = decode(spark.createDataFrame(rows, RECORD_SCHEMA), "id string, n int")
    assert [tuple(r) for r in events.kept.collect()] == [("a", 1), (None, None)]
    rejected = {r["sequence_number"]: (bytes(r["data"]), r["reason"]) for r in events.rejected.collect()}
    assert rejected == {
        "1": (b"", "EMPTY_PAYLOAD"),
        "2": (b"\xff", "NOT_UTF8"),
        "3": (b"{", "MALFORMED_JSON"),
        "4": (b"[]", "NOT_AN_OBJECT"),
        "5": (b'{"id": "a", "n": "1"}', "WRONG_TYPE"),
    }


def test_a_frame_with_payloads_alone_is_enough(spark: SparkSession) -> None:
    events = decode(
        spark.createDataFrame([(bytearray(b'{"s": {"x": [1]}}'),)], "data binary"), "s struct<x:array<int>>"
    )
    assert [r["s"]["x"] for r in events.kept.collect()] == [[1]]


def test_columns_of_an_event_may_have_the_names_of_a_records(spark: SparkSession) -> None:
    records = spark.createDataFrame([("s", "x", "1", 0, "k", ARRIVED, bytearray(b'{"stream": "mine"}'))], RECORD_SCHEMA)
    assert [tuple(r) for r in decode(records, "stream string, data string").kept.collect()] == [("mine", None)]


def test_a_schema_that_can_not_be_parsed_is_refused_before_anything_is_read(spark: SparkSession) -> None:
    with pytest.raises(SchemaError):
        decode(spark.createDataFrame([], RECORD_SCHEMA), "id strin")
