from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from streamjoin.dynamodb.table import KeyAttribute, TableDescription
from streamjoin.enrich.join import enrich
from streamjoin.reference.followed import index
from streamjoin.reference.followed import rows as rows_module
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, infer_types
from streamjoin.reference.followed.layout import lay_out
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.rows import build_rows, to_frame
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from tests.faults.reference import FakeClock, FakeDynamoDb, country, packed, settings

TABLE = TableDescription("t", (KeyAttribute("id", "N"),))
DECLARED = parse_schema(
    "id bigint, s string, n decimal(38,10), d double, f float, i int, t tinyint, b binary, flag boolean, day date, "
    "at timestamp, l array<decimal(38,0)>, m map<string,bigint>, st struct<x:int,y:array<string>,z:map<string,string>>"
)
FULL = {
    "id": {"N": "1"},
    "s": {"S": "é\U0001f600\x00"},
    "n": {"N": "-1234567890123456789012345678.0123456789"},
    "d": {"N": "0.1"},
    "f": {"N": "1.5"},
    "i": {"N": "-2147483648"},
    "t": {"N": "127"},
    "b": {"B": b"\x00\xff\x80"},
    "flag": {"BOOL": False},
    "day": {"S": "1600-02-29"},
    "at": {"S": "1899-12-31T23:59:59.999999Z"},
    "l": {"NS": ["99999999999999999999999999999999999999", "-1"]},
    "m": {"M": {"k": {"N": "9007199254740993"}, "": {"NULL": True}}},
    "st": {"M": {"x": {"N": "1"}, "y": {"SS": ["b", "a"]}, "z": {"M": {"k": {"S": ""}}}}},
}
EMPTY = {
    "id": {"N": "9007199254740993"},
    "s": {"S": ""},
    "b": {"B": b""},
    "l": {"L": []},
    "m": {"M": {}},
    "st": {"M": {}},
}
NULL = {"id": {"N": "3"}}
EXPECTED = [
    {
        "id": 1,
        "s": "é\U0001f600\x00",
        "n": Decimal("-1234567890123456789012345678.0123456789"),
        "d": 0.1,
        "f": 1.5,
        "i": -(2**31),
        "t": 127,
        "b": b"\x00\xff\x80",
        "flag": False,
        "day": date(1600, 2, 29),
        "at": datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        "l": [Decimal(-1), Decimal(10**38 - 1)],
        "m": {"": None, "k": 9007199254740993},
        "st": {"x": 1, "y": ["a", "b"], "z": {"k": ""}},
    },
    dict.fromkeys(DECLARED.names) | {"id": 3},
    dict.fromkeys(DECLARED.names)
    | {"id": 9007199254740993, "s": "", "b": b"", "l": [], "m": {}, "st": dict.fromkeys("xyz")},
]


def rows_of(items, schema=DECLARED):
    layout = lay_out({"id": "id"}, {name: name for name in schema.names})
    return build_rows(packed(items, TABLE), TABLE, layout, schema, fail_on_duplicate=False)


def collected(frame):
    found = []
    # As text of microseconds, for collect() gives the machine's local time.
    for row in frame.withColumn("at", F.unix_micros("at")).orderBy("id").collect():
        values = row.asDict(recursive=True)
        values["b"] = None if values["b"] is None else bytes(values["b"])
        values["at"] = None if values["at"] is None else datetime.fromtimestamp(0, UTC) + (values["at"] * MICROSECOND)
        found.append(values)
    return found


MICROSECOND = datetime.resolution


@pytest.mark.parametrize("few_rows", [10_000, 0], ids=["as Python rows", "as Arrow bytes"])
def test_every_type_reaches_spark_exactly(spark, monkeypatch, few_rows):
    monkeypatch.setattr(rows_module, "FEW_ROWS", few_rows)
    monkeypatch.setattr(rows_module, "_CHUNK_ROWS", 2)

    rows = rows_of([FULL, EMPTY, NULL])
    frame = to_frame(spark, rows.table)

    assert frame.schema == to_spark(DECLARED)
    assert collected(frame) == EXPECTED


@pytest.mark.parametrize("few_rows", [10_000, 0], ids=["as Python rows", "as Arrow bytes"])
def test_an_empty_table_is_an_empty_frame_of_the_right_columns(spark, monkeypatch, few_rows):
    monkeypatch.setattr(rows_module, "FEW_ROWS", few_rows)
    layout = lay_out({"country": "countryname"}, {"code": "country_code"})

    rows = build_rows({}, TABLE, layout, infer_types([], layout, NOTHING_KNOWN), fail_on_duplicate=False)
    frame = to_frame(spark, rows.table)

    assert frame.collect() == []
    assert frame.schema.simpleString() == "struct<country_code:string,countryname:string>"


def test_many_rows_arrive_each_once(spark, monkeypatch):
    monkeypatch.setattr(rows_module, "_CHUNK_ROWS", 5_000)
    monkeypatch.setattr(index, "_CHUNK_ROWS", 5_000)
    items = [country(f"C{n}", f"n{n}", area={"N": f"{n}.25"}) for n in range(12_001)]
    reference = Reference(settings(columns=["area"]), client=FakeDynamoDb(items, page_items=500), spark=spark)

    frame = reference.current().frame

    counted = frame.agg(F.count("*"), F.count_distinct("countryname"), F.sum("area")).first()
    assert tuple(counted) == (12_001, 12_001, Decimal(12_000 * 12_001 // 2) + Decimal("0.25") * 12_001)
    reference.close()


def test_a_large_frame_is_persisted_while_its_snapshot_is_in_force_and_freed_after(spark):
    many = [country(f"{n:05}", f"Country {n}") for n in range(10_000)]
    client, clock = FakeDynamoDb(many, page_items=5_000), FakeClock()
    reference = Reference(settings(), client=client, spark=spark, clock=clock)
    first = reference.current()
    client.items.append(country("FR", "France"))
    clock.advance(60)
    second = reference.current()

    assert first.frame.is_cached
    reference.current()
    assert not first.frame.is_cached
    assert second.frame.is_cached
    reference.close()
    assert not second.frame.is_cached


def test_a_snapshot_joins_events_also_if_an_output_column_has_taken_the_join_attributes_name(spark):
    events = spark.createDataFrame([("India",), ("Nowhere",), (None,)], "country string")
    items = [country("IN", "India", Code={"S": "other"}), country("IX", "India"), country("FR", "France")]
    reference = Reference(
        settings(columns={"Code": "countryname", "code": "code"}), client=FakeDynamoDb(items), spark=spark
    )
    snapshot = reference.current()

    joined = enrich(events, snapshot.frame, on=snapshot.on, columns=snapshot.columns).frame

    found = {row["country"]: (row["countryname"], row["code"]) for row in joined.collect()}
    assert found == {"India": ("other", "IN"), "Nowhere": (None, None), None: (None, None)}
    assert joined.count() == 3
    reference.close()
