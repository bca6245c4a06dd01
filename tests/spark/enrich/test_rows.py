import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.derive import derive
from streamjoin.enrich.rows import output_columns
from streamjoin.errors import SchemaError
from streamjoin.records.events import Events


def test_a_derived_column_sees_the_ones_before_it(spark: SparkSession) -> None:
    events = Events.of(spark.createDataFrame([(2,)], "a int"))
    assert [tuple(r) for r in derive(events, {"b": "a * 2", "c": "b + 1"}).kept.collect()] == [(2, 4, 5)]


@pytest.mark.parametrize("expression", ["nowhere + 1", "a +"])
def test_an_expression_that_can_not_be_used_is_named(spark: SparkSession, expression: str) -> None:
    events = Events.of(spark.createDataFrame([(2,)], "a int"))
    with pytest.raises(SchemaError, match=r"output.derive.b: .* can't be used"):
        derive(events, {"b": expression})


def test_an_expression_that_raises_in_a_part_that_it_has_twice_rejects_that_event_alone(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a", [7], 1), ("b", [7], 0), ("c", [3], 1)], "id string, many array<int>, n int")
    derived = derive(Events.of(frame), {"square": "element_at(many, n) * element_at(many, n)"})
    # All rows at once, as a job counts them: a filter before would hide it.
    found = {row["id"]: (row["square"], row["_reason"]) for row in derived.frame.collect()}
    assert found == {"a": (49, None), "b": (None, "EXPRESSION_FAILED"), "c": (9, None)}


def test_equal_keys_of_a_map_are_the_last_ones_and_no_neighbour_gets_them(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a", "x=1&x=2&y=3"), ("b", "y=1"), ("c", None)], "id string, query string")
    derived = derive(Events.of(frame.coalesce(1)), {"found": "str_to_map(query, '&', '=')"})
    found = {row["id"]: row["found"] for row in derived.kept.collect()}
    assert found == {"a": {"x": "2", "y": "3"}, "b": {"y": "1"}, "c": None}


def test_a_map_that_can_not_be_made_gives_no_neighbour_its_keys(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a", "k1", None), ("b", "k2", "k3")], "id string, k string, l string").coalesce(1)
    for expression in ("map(k, 1, l, 2)", "MAP_FROM_ARRAYS(array(k, l), array(1, 2))"):
        with pytest.raises(Py4JError, match="nullAsMapKeyNotAllowed"):
            derive(Events.of(frame), {"found": expression}).kept.collect()
        (row,) = derive(Events.of(frame.where("id = 'b'")), {"found": expression}).kept.collect()
        assert row["found"] == {"k2": 1, "k3": 2}


def test_a_time_that_no_reader_takes_rejects_its_event(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(0,), (2_000_000_000,), (-2_000_000_000,), (None,)], "n int")
    expressions = {"day": "date_add(date'2026-01-31', n)", "at": "timestamp_seconds(bigint(n) * 1000)"}
    for name, expression in expressions.items():
        derived = derive(Events.of(frame), {name: expression})
        assert sorted(derived.kept.select(F.coalesce("n", F.lit(-1))).collect()) == [(-1,), (0,)]
        details = {row.detail for row in derived.rejected.select("detail").collect()}
        assert details == {f"output.derive.{name}: the expression gives a time that is not of the years 1 to 9999"}


def test_drop_and_select_say_which_columns_are_written() -> None:
    assert output_columns(["a", "b", "c"], drop=["b"]) == ["a", "c"]
    assert output_columns(["a", "b", "c"], select=["c", "a"]) == ["c", "a"]
