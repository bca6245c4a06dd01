"""Frames of Spark's sources as records, by the names of their columns."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.any_source import records_of
from streamjoin.enrich.from_catalog import with_payload
from streamjoin.errors import SchemaError
from streamjoin.spark.schema import RECORD_STRUCT

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)
# DDL of a frame, a row of it, and the record's stream, shard, number, sub number, partition key, arrival, data.
SOURCES: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
    (  # Kafka, as Spark has it.
        "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, timestampType int",
        (b"k", b"x", "orders", 3, 17, ARRIVED, 0),
        ("orders", "3", "17", 0, "k", ARRIVED, b"x"),
    ),
    (  # The Kinesis connector of AWS.
        "data binary, streamName string, partitionKey string, sequenceNumber string, "
        "approximateArrivalTimestamp timestamp",
        (b"x", "orders", "k", "4965", ARRIVED),
        ("orders", None, "4965", 0, "k", ARRIVED, b"x"),
    ),
    # A file of lines; rows that know an offset but not of which partition; no payload at all.
    ("value string", ("é",), (None, None, None, None, None, None, "é".encode())),
    ("data string, offset int, ignored int", ("x", 5, 6), (None, None, None, None, None, None, b"x")),
    ("data string", (None,), (None, None, None, None, None, None, None)),
    # Our own names come first.
    (
        "data binary, value string, key string, partition_key string",
        (b"x", "y", "no", "k"),
        (*[None] * 4, "k", None, b"x"),
    ),
    # Glue's, with a time that it gives as text.
    ("data string, __src_timestamp string", ("x", "2026-01-31T00:00:00Z"), (*[None] * 5, ARRIVED, b"x")),
]


def test_each_source_gives_the_records_that_its_columns_name(spark: SparkSession) -> None:
    for ddl, row, expected in SOURCES:
        found = records_of(spark.createDataFrame([row], ddl))
        assert found.schema == RECORD_STRUCT or [f.dataType for f in found.schema] == [
            f.dataType for f in RECORD_STRUCT
        ]
        (record,) = found.collect()
        arrived = record.approximate_arrival_timestamp
        values = (
            *record[:5],
            arrived.astimezone(UTC) if arrived else None,
            None if record.data is None else bytes(record.data),
        )
        assert values == expected, ddl


@pytest.mark.parametrize(
    ("ddl", "said"),
    [
        (
            "id string, payload string",
            "no column 'data' .binary or string., nor 'value'; found 'id' .string.",
        ),
        ("Data string", "found 'Data' .string."),
        ("data struct<a: int>, key double", "found 'data' .struct<a:int>., 'key' .double."),
        ("data string, timestamp bigint", "found 'timestamp' .bigint."),
    ],
)
def test_a_frame_without_a_payload_or_of_other_types_is_refused_by_name(
    spark: SparkSession, ddl: str, said: str
) -> None:
    with pytest.raises(SchemaError, match=said):
        records_of(spark.createDataFrame([], ddl))


def test_glues_batches_have_the_text_of_each_record_or_become_json_again(spark: SparkSession) -> None:
    text = spark.createDataFrame(
        [('{"id": 1', ARRIVED)], "`$json$data_infer_schema$_temporary$` string, __src_timestamp timestamp"
    )
    assert [row.data for row in with_payload(text).collect()] == ['{"id": 1']
    assert records_of(with_payload(text)).select("approximate_arrival_timestamp").collect()[0][0] is not None
    parsed = spark.createDataFrame([("a", 1), (None, 2)], "`the.id` string, amount int")
    assert [row.data for row in with_payload(parsed).collect()] == ['{"the.id":"a","amount":1}', '{"amount":2}']
