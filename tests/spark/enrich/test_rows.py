import pytest
from pyspark.sql import SparkSession

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


def test_drop_and_select_say_which_columns_are_written() -> None:
    assert output_columns(["a", "b", "c"], drop=["b"]) == ["a", "c"]
    assert output_columns(["a", "b", "c"], select=["c", "a"]) == ["c", "a"]
