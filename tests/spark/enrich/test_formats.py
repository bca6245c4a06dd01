"""What only Spark can judge of a configuration is judged at the start, before anything is read."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.assembly import check_formats
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError

RESERVED = ["case", "end", "from", "group", "interval", "order", "select", "table", "when"]


def config(derive: dict[str, str]) -> EnrichConfig:
    document: dict[str, Any] = {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "orders"}},
        "payload": {"schema": [{"name": name, "type": "int"} for name in ["id", *RESERVED]]},
        "output": {"derive": derive},
        "sink": {"hudi": {"base_path": "/lake/t", "table_name": "t", "record_key": ["id"]}},
        "dead_letters": {"base_path": "/lake/dead"},
    }
    return parse_config(document)


def test_an_expression_that_spark_cannot_parse_is_named_with_its_key(spark: SparkSession) -> None:
    with pytest.raises(ConfigError) as raised:
        check_formats(config({"low": "lower(id", "fine": "id + 1", "odd": "id +* 1"}), spark)
    first, second = raised.value.problems
    assert first.startswith("output.derive.low: 'lower(id' is no expression of Spark: [PARSE_SYNTAX_ERROR]")
    assert second.startswith("output.derive.odd: 'id +* 1' is no expression of Spark: [PARSE_SYNTAX_ERROR]")


def test_no_word_is_reserved_in_a_derived_column(spark: SparkSession) -> None:
    derived = {f"x_{name}": f"{name} + 1" for name in RESERVED}
    check_formats(config(derived), spark)
    frame = spark.createDataFrame([tuple(range(len(RESERVED)))], RESERVED)
    row = frame.selectExpr(*(f"{expression} AS {name}" for name, expression in derived.items())).head()
    assert row is not None
    assert list(row) == [number + 1 for number in range(len(RESERVED))]
