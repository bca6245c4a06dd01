"""Every reader and writer takes a base path for the same place, and nothing leads out of it."""

from pathlib import Path
from typing import Any

import pytest

from streamjoin.aws.storage import as_hadoop_path, open_path
from streamjoin.entry import load_config
from streamjoin.errors import ConfigError


def document(base_path: str, derive: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "orders"}},
        "payload": {"schema": "uuid string"},
        "sink": {"hudi": {"base_path": base_path, "table_name": "orders", "record_key": ["uuid"]}},
        "output": {"derive": derive or {}},
        "dead_letters": {"base_path": "s3://bucket/dead"},
    }


@pytest.mark.parametrize(
    "base_path",
    [
        # What follows is cut off by some readers and not by others.
        "/lake/orders#2",
        "file:/lake/orders#2/t",
        "s3://bucket/orders#2",
        # Removed by Hadoop, kept by S3: rows in one place, their position looked for in another.
        "s3://bucket/lake/../orders",
        "s3://bucket/lake/..",
        "s3://bucket/./orders",
        "s3://bucket/lake//orders",
        # Before a folder of that name exists, the system finds nothing there, and Hadoop does.
        "/lake/new/../orders",
        "file:///lake/./orders",
        "/lake/or\x00ders",
        "s3://bucket/or\tders",
    ],
)
def test_a_base_path_that_could_be_two_places_is_refused(base_path: str) -> None:
    with pytest.raises(ConfigError, match=r"sink\.hudi\.base_path: found .*allowed: "):
        load_config(document(base_path), {})


@pytest.mark.parametrize(
    ("base_path", "place"),
    [
        ("/lake/orders", "/lake/orders"),
        ("file:/lake/orders", "/lake/orders"),
        ("file:///lake/or%20ders", "/lake/or%20ders"),
        ("/lake/two words", "/lake/two words"),
        ("/lake/..orders/a.b/...", "/lake/..orders/a.b/..."),
        ("orders", str(Path("orders").absolute())),
        ("s3://bucket/lake/orders/", "bucket/lake/orders"),
        ("s3://bucket/lake/o=1/..orders", "bucket/lake/o=1/..orders"),
        ("s3://bucket/a%2Fb", "bucket/a%2Fb"),
    ],
)
def test_spark_and_everything_else_take_a_base_path_for_the_same_place(base_path: str, place: str) -> None:
    checked = load_config(document(base_path), {}).sink.hudi.base_path
    assert open_path(checked)[1] == place
    assert as_hadoop_path(checked) == (f"s3://{place}" if base_path.startswith("s3://") else f"file://{place}")


@pytest.mark.parametrize(
    "expression",
    [
        "reflect('java.lang.System', 'setProperty', 'a', uuid)",
        "upper(Java_Method ('java.lang.System', 'getenv', uuid))",
        "`reflect`('java.lang.System', 'getenv', uuid)",
        "try_reflect/* */('java.lang.System', 'getenv', uuid)",
    ],
)
def test_an_expression_that_calls_java_is_refused(expression: str) -> None:
    with pytest.raises(ConfigError, match=r"output\.derive\.x: it calls Java"):
        load_config(document("s3://bucket/orders", {"x": expression}), {})


@pytest.mark.parametrize("expression", ["'reflect(x)'", "upper(uuid) -- reflect(", "concat('java_method', (uuid))"])
def test_text_that_only_looks_like_a_call_of_java_is_allowed(expression: str) -> None:
    assert load_config(document("s3://bucket/orders", {"x": expression}), {}).output.derive == {"x": expression}
