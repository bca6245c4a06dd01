"""What only Spark can judge of a configuration is judged at the start, before anything is read."""

from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.assembly import check_formats, resolve_schema
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


def problems_of(spark: SparkSession, settings: EnrichConfig) -> Sequence[str]:
    with pytest.raises(ConfigError) as raised:
        check_formats(settings, resolve_schema(settings), spark)
    return raised.value.problems


def test_an_expression_that_spark_cannot_take_is_named_with_its_key(spark: SparkSession) -> None:
    derived = {
        "low": "lower(id",
        "fine": "id + 1",
        "misspelt": "lowr(id)",
        "mistyped": "date_add(true, id)",
        # Of another derived column, and of a reference.
        "more": "fine + 1",
        "code": "lower(code)",
    }
    problems = problems_of(spark, config(derived))
    said = [problem.partition(" is no expression that Spark takes: [")[::2] for problem in problems]
    assert [(key, reason.partition("]")[0]) for key, reason in said] == [
        ("output.derive.low: 'lower(id'", "PARSE_SYNTAX_ERROR"),
        ("output.derive.misspelt: 'lowr(id)'", "UNRESOLVED_ROUTINE"),
        ("output.derive.mistyped: 'date_add(true, id)'", "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"),
    ]


def test_a_derived_column_that_no_table_can_have_is_named_before_anything_is_read(spark: SparkSession) -> None:
    derived = {
        "dashed": "named_struct('a-b', id)",
        "keyed": "map(id, id)",
        "nothing": "null",
        "ntz": "array(to_timestamp_ntz('2026-01-31 00:00:00'))",
        "helper": "named_struct('a-b', id)",
        "fine": "helper.`a-b`",
        # Its type isn't known before the reference's is.
        "late": "map(id, code)",
    }
    settings = config(derived)
    settings = settings.model_copy(update={"output": settings.output.model_copy(update={"drop": ["helper"]})})
    said = dict(problem.split(": ", 1) for problem in problems_of(spark, settings))
    assert list(said) == [f"output.derive.{name}" for name in ("dashed", "keyed", "nothing", "ntz")]
    assert said["output.derive.dashed"] == "Hudi can't store a field named 'a-b' in 'dashed'"
    assert "type 'void'" in said["output.derive.nothing"]


def test_no_word_is_reserved_in_a_derived_column(spark: SparkSession) -> None:
    derived = {f"x_{name}": f"{name} + 1" for name in RESERVED}
    settings = config(derived)
    check_formats(settings, resolve_schema(settings), spark)
    frame = spark.createDataFrame([tuple(range(len(RESERVED)))], RESERVED)
    row = frame.selectExpr(*(f"{expression} AS {name}" for name, expression in derived.items())).head()
    assert row is not None
    assert list(row) == [number + 1 for number in range(len(RESERVED))]
