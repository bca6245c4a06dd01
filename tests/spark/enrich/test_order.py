from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.order import keep_latest, require_key, sequence_order, with_ordering, with_sequence_number
from streamjoin.errors import SchemaError
from streamjoin.records.decode import decode
from streamjoin.records.events import Events
from streamjoin.spark.schema import RECORD_STRUCT

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)


def micros(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("data_type", "format", "expected"),
    [
        (
            "string",
            "M/d/yy",
            {
                "2/15/11": micros(2011, 2, 15),
                "12/2/12": micros(2012, 12, 2),
                "2/30/11": None,
                "2011-02-15": None,
            },
        ),
        (
            "string",
            None,
            {
                "2022-03-24T02:27:41Z": micros(2022, 3, 24, 2, 27, 41),
                "2022-03-24T04:27:41+02:00": micros(2022, 3, 24, 2, 27, 41),
                "2022-13-24T02:27:41Z": None,
                "12:30": None,
                None: None,
            },
        ),
        ("date", None, {date(2022, 3, 24): micros(2022, 3, 24)}),
        ("timestamp", None, {datetime(2022, 3, 24, tzinfo=UTC): micros(2022, 3, 24)}),
        ("int", None, {17: 17}),
    ],
)
def test_an_ordering_value_is_exact_microseconds_or_the_event_is_rejected(
    spark: SparkSession, data_type: str, format: str | None, expected: dict[Any, int | None]
) -> None:
    events = Events.of(spark.createDataFrame(list(enumerate(expected)), f"n int, v {data_type}"))
    found = {r["n"]: (r["_ordering_us"], r["_reason"]) for r in with_ordering(events, "v", format).frame.collect()}
    assert {value: found[n] for n, value in enumerate(expected)} == {
        value: (micros, "INVALID_ORDERING" if micros is None else None) for value, micros in expected.items()
    }


def test_without_an_ordering_column_the_arrival_time_orders(spark: SparkSession) -> None:
    records = spark.createDataFrame([("s", "x", "1", 0, "k", ARRIVED, bytearray(b'{"id": "a"}'))], RECORD_STRUCT)
    ordered = with_ordering(decode(records, "id string"))
    assert [r["_ordering_us"] for r in ordered.kept.collect()] == [micros(2026, 1, 31)]


def test_a_column_without_an_exact_order_is_refused(spark: SparkSession) -> None:
    with pytest.raises(SchemaError, match="double"):
        with_ordering(Events.of(spark.createDataFrame([], "v double")), "v")


@pytest.mark.parametrize("key", [None, ""])
def test_an_event_without_its_whole_record_key_is_rejected(spark: SparkSession, key: str | None) -> None:
    events = Events.of(spark.createDataFrame([("x", key), ("x", "y")], "a string, b string"))
    judged = require_key(events, ["a", "b"])
    assert [tuple(r) for r in judged.kept.collect()] == [("x", "y")]
    assert [r["reason"] for r in judged.rejected.collect()] == ["MISSING_RECORD_KEY"]


def test_on_a_tie_the_later_in_its_shard_wins_whatever_the_width_of_the_sequence_number(spark: SparkSession) -> None:
    payload = '{{"id": "a", "v": {}}}'
    rows = [
        ("s", "x", sequence, sub, "k", ARRIVED, bytearray(payload.format(value).encode()))
        for sequence, sub, value in [("99", 0, 1), ("100", 0, 2), ("100", 1, 3), ("9", 5, 4)]
    ]
    events = with_ordering(decode(spark.createDataFrame(rows, RECORD_STRUCT), "id string, v int"))
    latest = keep_latest(events, ["id"])
    assert [(r["v"], r["_sequence_number"]) for r in latest.collect()] == [(3, "100/1")]
    assert latest.columns == ["id", "v", "_ordering_us", "_sequence_number"]


def test_a_row_names_the_record_that_it_came_from(spark: SparkSession) -> None:
    places = [("99", 0), ("99", 1), ("99", 12), ("99", None), (None, None)]
    rows = [("s", "x", number, sub, "k", ARRIVED, bytearray(b'{"id": "a"}')) for number, sub in places]
    events = with_sequence_number(decode(spark.createDataFrame(rows, RECORD_STRUCT), "id string"))
    assert [r["_sequence_number"] for r in events.kept.collect()] == ["99", "99/1", "99/12", "99", None]


def test_places_are_ordered_as_their_records_are_and_none_comes_last(spark: SparkSession) -> None:
    digits = "9" * 55
    in_order = ["9", "9/9", "9/10", "10", "99/2", "100", digits, f"{digits}/1", f"1{digits}"]
    as_text = spark.createDataFrame([(each,) for each in [None, *sorted(in_order)]], "n string")
    found = [row["n"] for row in as_text.orderBy(sequence_order(F.col("n")).asc_nulls_last()).collect()]
    assert found == [*in_order, None]


def test_a_frame_that_brings_its_places_keeps_them_and_is_ordered_by_them(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("a", 5, "99"), ("a", 5, "100")], "id string, _ordering_us bigint, _sequence_number string"
    )
    assert [r["_sequence_number"] for r in keep_latest(rows, ["id"]).collect()] == ["100"]


def test_a_greater_ordering_value_beats_a_later_place(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a", "2/15/11"), ("a", "12/2/12"), ("a", "1/4/10")], "id string, at string")
    latest = keep_latest(with_ordering(Events.of(frame), "at", "M/d/yy"), ["id"])
    assert [r["at"] for r in latest.collect()] == ["12/2/12"]


@pytest.mark.parametrize(("ordering", "newest"), [("at", 2), (None, 1)])
def test_what_a_producer_sends_again_after_a_split_comes_to_the_same_as_if_it_had_come_once(
    spark: SparkSession, ordering: str | None, newest: int
) -> None:
    # An aggregated record got into one half of a split shard with a user record of the other half, which the producer
    # library then sends there: before or, by arrival, after a newer event of its key.
    def event(shard: str, number: int, sub: int, arrived_s: int, v: int) -> tuple[Any, ...]:
        payload = bytearray(f'{{"id": "a", "v": {v}, "at": "2026-01-0{v}"}}'.encode())
        return ("s", shard, str(number), sub, "k", ARRIVED + timedelta(seconds=arrived_s), payload)

    elsewhere, newer, again = event("x", 5, 3, 1, 1), event("y", 6, 0, 2, 2), event("y", 7, 0, 3, 1)
    found = []
    for rows in ([elsewhere, newer, again], [newer, again]):
        events = decode(spark.createDataFrame(rows, RECORD_STRUCT), "id string, v int, at string")
        found.append([tuple(row) for row in keep_latest(with_ordering(events, ordering), ["id"]).collect()])
    assert found[0] == found[1]
    assert [row[1] for row in found[0]] == [newest]
