import json
import uuid
from datetime import date
from decimal import Decimal
from functools import reduce

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.enrich.join import enrich
from streamjoin.enrich.pipeline import process_batch
from streamjoin.errors import ReferenceTableError
from streamjoin.query import query
from streamjoin.records.decode import decode
from streamjoin.reference.followed.layout import lay_out
from streamjoin.reference.followed.rows import build_rows, to_frame
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.table import describe
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from tests.faults.hudi import REFUSED, refuse
from tests.faults.lookup import FakeItemTable, global_index
from tests.faults.reference import client_error, country, packed, settings
from tests.oracle import Record
from tests.services.lookup_service import served
from tests.spark.harness import batch_of, make_job

SCHEMA = "code string, countryname string"


@pytest.fixture(scope="module")
def tables(spark):
    """The tables that executors find, by name; one endpoint, for another would need other worker processes."""
    found = {}
    environment = spark.sparkContext.environment
    with served(found) as endpoint:
        ours = {
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        environment.update(ours)
        yield found
        for name in ours:
            del environment[name]


@pytest.fixture
def executors(spark, tables):
    """Return what lets executors find a table, and makes a reference of it."""

    def reference(table, **changes):
        # Another table name is another reference to the workers, which outlive a test.
        name = f"t-{uuid.uuid4().hex}"
        tables[name] = table
        dynamodb = {"table_name": name, **changes.pop("dynamodb", {})}
        changes = {"on": {"country": "code"}, "columns": ["countryname"], "schema": SCHEMA, **changes}
        return LookupReference(settings(mode="lookup", dynamodb=dynamodb, **changes), client=table, spark=spark)

    return reference


def joined(events, snapshot):
    return enrich(events, snapshot.side(events), on=snapshot.on, columns=list(snapshot.columns)).frame


def test_executors_fetch_the_keys_of_a_batch_and_nothing_else(spark, executors):
    table = FakeItemTable(country(f"C{number:05}", f"country {number}") for number in range(20_000))
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    keys = [f"C{number:05}" for number in range(0, 19_000, 128)] + ["nowhere", None]
    events = spark.createDataFrame([(n, keys[n % len(keys)]) for n in range(4_000)], "id int, country string")

    snapshot = reference.current()
    found = joined(events, snapshot).collect()

    assert len(found) == 4_000
    for row in found:
        known = row["country"] is not None and row["country"] != "nowhere"
        assert row["countryname"] == (f"country {int(row['country'][1:])}" if known else None)
    assert len(table.made("BatchGetItem")) == 2
    asked = [
        key["code"]["S"]
        for request in table.made("BatchGetItem")
        for wanted in request["RequestItems"].values()
        for key in wanted["Keys"]
    ]
    assert sorted(asked) == sorted({key for key in keys if key})
    assert not table.made("Scan", "Query")
    assert snapshot.metadata()["items"] == len(asked) - 1
    assert snapshot.consumed_read_units == len(asked)
    reference.close()


def test_workers_keep_what_they_read_between_batches(spark, executors):
    table = FakeItemTable(country(f"C{number:05}", f"country {number}") for number in range(100))
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 2)
    events = spark.createDataFrame([(f"C{number:05}",) for number in range(100)], "country string")

    for _ in range(5):
        assert reference.current().side(events).count() == 100

    # each of the tasks asks once in each worker that it meets; there are as many of both, at most two
    tasks = min(2, spark.sparkContext.defaultParallelism)
    assert tasks <= len(table.made("BatchGetItem")) <= tasks * tasks
    reference.close()


def test_an_error_comes_to_the_driver_as_what_it_is_after_one_attempt(spark, executors):
    table = FakeItemTable([country("IN", "India")])
    table.fault = lambda operation, request: (
        client_error("AccessDeniedException", operation) if operation == "BatchGetItem" else None
    )
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    events = spark.createDataFrame([("IN",)], "country string")

    with pytest.raises(ReferenceTableError, match="Allow dynamodb:BatchGetItem") as raised:
        reference.current().side(events)

    assert not raised.value.retryable
    assert len(table.made("BatchGetItem")) == 1


def test_partial_answers_and_throttled_calls_lose_no_key(spark, executors):
    table = FakeItemTable(country(f"C{number:05}", f"country {number}") for number in range(1_000))
    table.processed = lambda keys: max(1, keys * 2 // 3)
    count = iter(range(10**6))
    table.fault = lambda operation, request: (
        client_error("ThrottlingException", operation) if operation == "BatchGetItem" and next(count) % 5 == 4 else None
    )
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 2)
    events = spark.createDataFrame([(f"C{number:05}",) for number in range(1_000)], "country string")

    side = reference.current().side(events)

    assert {(row["code"], row["countryname"]) for row in side.collect()} == {
        (f"C{number:05}", f"country {number}") for number in range(1_000)
    }
    reference.close()


def test_a_side_of_many_rows_is_joined_whole_and_freed(spark, executors):
    table = FakeItemTable(country(f"C{number:05}", f"country {number}") for number in range(12_000))
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 2)
    events = spark.range(12_000).select(F.format_string("C%05d", "id").alias("country"))

    snapshot = reference.current()
    counted = joined(events, snapshot).agg(F.count("countryname"), F.count_distinct("countryname")).first()

    assert tuple(counted) == (12_000, 12_000)
    assert len(table.made("BatchGetItem")) <= 122
    frame = snapshot.found.frame
    assert frame.is_cached
    reference.close()
    assert not frame.is_cached


def test_decoded_events_are_joined_and_rejected_ones_fetch_nothing(spark, executors):
    table = FakeItemTable([country("IN", "India")])
    reference = executors(table)
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    payloads = [b'{"country": "IN", "n": 1}', b'{"country": "IN", "n": "x"}', b"{", b'{"n": 2}']
    records = spark.createDataFrame([(bytearray(payload),) for payload in payloads], "data binary")
    for name in ("stream", "shard_id", "sequence_number", "partition_key"):
        records = records.withColumn(name, F.lit(name))
    records = records.withColumn("sub_sequence_number", F.lit(None).cast("bigint"))
    records = records.withColumn("approximate_arrival_timestamp", F.lit(None).cast("timestamp"))
    events = decode(records, parse_schema("country string, n int"))

    snapshot = reference.current()
    enriched = enrich(events, snapshot.side(events.frame), on=snapshot.on, columns=list(snapshot.columns))

    assert sorted((row["n"], row["countryname"]) for row in enriched.kept.collect()) == [(1, "India"), (2, None)]
    assert len(table.made("BatchGetItem")) == 1
    reference.close()


def test_columns_with_dots_and_reserved_names_are_looked_up(spark, executors):
    table = FakeItemTable([{"a.b": {"S": "x"}, "name": {"S": "found"}}], key=(("a.b", "S"),))
    reference = executors(table, on={"e.f": "a.b"}, columns=["name"], schema="`a.b` string, name string")
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    events = spark.createDataFrame([("x",), ("y",)], "`e.f` string")

    assert sorted(reference.current().side(events).collect()) == [("found", "x")]
    reference.close()


def test_an_index_is_queried_by_executors(spark, executors):
    items = [country("IN", "India"), country("IX", "India"), country("FR", "France")]
    table = FakeItemTable(
        items,
        indexes={"GlobalSecondaryIndexes": [global_index("by-name", "countryname")]},
        attribute_types={"countryname": "S"},
    )
    reference = executors(table, on={"country": "countryname"}, columns=["code"], dynamodb={"index_name": "by-name"})
    events = spark.createDataFrame([("India",), ("France",), ("Nowhere",)], "country string")

    snapshot = reference.current()

    assert sorted(snapshot.side(events).collect()) == [("FR", "France"), ("IN", "India")]
    assert snapshot.metadata()["duplicates"] == 1
    reference.close()


NUMBERS = ["7", "-7", "0", "7.5", "0.1", "16777217", "9007199254740993", "1e3", "99999999999999999999", "0.000001"]
TEXTS = ["7", "-7", "007", "0", "7.5", "India", "é\U0001f600", "2026-01-31", "2026-02-30", " 7", "9007199254740993"]
EVENT_TEXTS = [*TEXTS, "7.0", "-0", "+7", "", "1E3", "1000", "x" * 3000]
EVENT_NUMBERS = ["7", "-7", "0", "7.50", "0.1", "16777216", "9007199254740993", "1000", "0.000001", "8"]


def numbers_as(convert):
    return [value for text in EVENT_NUMBERS if (value := convert(Decimal(text))) is not None]


def integers(number):
    return int(number) if number == int(number) else None


# Type in the event, its values; type in the table, its keys; type as it is declared.
KEYS = [
    ("string", EVENT_TEXTS, "S", TEXTS, "string"),
    ("bigint", numbers_as(integers), "S", TEXTS, "string"),
    ("date", [date(2026, 1, 31), date(1, 1, 1), date(9999, 12, 31)], "S", TEXTS, "date"),
    ("string", EVENT_TEXTS, "N", NUMBERS, "bigint"),
    ("string", EVENT_TEXTS, "N", NUMBERS, "string"),
    ("bigint", numbers_as(integers), "N", NUMBERS, "bigint"),
    ("bigint", numbers_as(integers), "N", NUMBERS, "string"),
    ("bigint", numbers_as(integers), "N", NUMBERS, "decimal(38,6)"),
    ("int", [7, -7, 0, 1000, 16777216], "N", NUMBERS, "double"),
    ("decimal(38,6)", numbers_as(lambda n: n), "N", NUMBERS, "decimal(38,6)"),
    ("decimal(38,6)", numbers_as(lambda n: n), "N", NUMBERS, "bigint"),
    ("decimal(38,6)", numbers_as(lambda n: n), "N", NUMBERS, "double"),
    ("double", [*numbers_as(float)[:6], float("nan"), float("inf"), -0.0, 1e300], "N", NUMBERS, "double"),
    ("double", [7.0, 7.5, 0.1, 1e-6, 1000.0], "N", NUMBERS, "decimal(38,6)"),
    ("float", [7.0, 7.5, 0.5, 1000.0], "N", NUMBERS, "double"),
    ("float", [7.0, 7.5, 0.1, 1000.0], "N", NUMBERS, "float"),
    ("binary", [b"\x00", b"\xff\x80", b"", b"x" * 3000], "B", [b"\x00", b"\xff\x80", b"other"], "binary"),
]


def test_events_find_what_they_find_when_the_whole_table_is_joined(spark, executors):
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    whole, looked_up, references = [], [], []
    for event, values, key_type, keys, declared in KEYS:
        label = f"{event} = {key_type} as {declared}"
        items = [{"key": {key_type: key}, "found": {"S": repr(key)}} for key in keys]
        table = FakeItemTable(items, key=(("key", key_type),))
        types = parse_schema(f"key {declared}, found string")
        schema = to_spark(parse_schema(f"n int, value {event}"))
        events = spark.createDataFrame(list(enumerate([*values, None])), schema)
        layout = lay_out({"value": "key"}, {"found": "found"})
        described = describe(table, "t")
        rows = build_rows(packed(items, described), described, layout, types, fail_on_duplicate=True)
        joins = enrich(events, to_frame(spark, rows.table), on=layout.on, columns=["found"]).frame
        reference = executors(table, on={"value": "key"}, columns=["found"], schema=f"key {declared}, found string")
        for found, frame in (whole, joins), (looked_up, joined(events, reference.current())):
            found.append(frame.select(F.lit(label).alias("keys"), "n", "found"))
        references.append(reference)

    # One job for all of them.
    expected, found = ({tuple(row) for row in reduce(DataFrame.union, each).collect()} for each in (whole, looked_up))

    assert found == expected
    assert len(found) == sum(len(values) + 1 for _, values, *_ in KEYS)
    assert len({label for label, _, value in found if value is not None}) == len(KEYS)
    for reference in references:
        reference.close()


def test_a_record_by_which_the_write_fails_is_a_dead_letter_also_where_items_are_looked_up(
    spark, executors, tmp_path, monkeypatch
):
    reference = executors(FakeItemTable([country("IN", "India"), country("FR", "France")]))
    job = make_job(tmp_path, reference, schema="id string, country string, at string")
    refuse(monkeypatch, "id")
    events = [("1", "IN"), (f"{REFUSED} 2", "FR"), ("3", "FR")]
    records = [
        Record("s-0", n, json.dumps({"id": key, "country": code, "at": "1/1/10"}).encode())
        for n, (key, code) in enumerate(events, 1)
    ]
    job.open()

    counts = process_batch(job, batch_of(spark, 1, records)).counts

    assert counts.rejected_by_reason == {"UNWRITABLE": 1}
    rows = query(job.table.base_path, "select id, countryname from t order by id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("1", "India"), ("3", "France")]
    reference.close()
