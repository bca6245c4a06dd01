"""What Glue's own source is asked for, without Spark; its batches are in tests/integration/enrich."""

from types import SimpleNamespace
from typing import Any

import pytest

from streamjoin.enrich import from_catalog
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError


def config(kinesis: dict[str, Any] | None = None, **payload: Any) -> EnrichConfig:
    return parse_config(
        {
            "job": "enrich",
            "name": "orders",
            "source": {"kinesis": {"stream_name": "orders", **(kinesis or {})}},
            "payload": {"format": "json", "schema": {"glue_catalog": {"database": "d", "table": "t"}}, **payload},
            "sink": {"hudi": {"base_path": "/t", "database": "d", "table_name": "t", "record_key": ["id"]}},
            "dead_letters": {"base_path": "/dead"},
            "trigger": {"interval_seconds": 60},
        }
    )


class FakeGlue:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.create_data_frame = SimpleNamespace(from_catalog=self._from_catalog)

    def _from_catalog(self, **asked: Any) -> str:
        self.asked = asked
        return "frame"

    def forEachBatch(self, **asked: Any) -> None:
        assert asked["frame"] == "frame"
        self.options = asked["options"]


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> FakeGlue:
    monkeypatch.setattr(from_catalog, "QueryBatches", lambda config: None)
    return FakeGlue()


def test_the_catalogs_table_is_read_as_the_configuration_says(glue: FakeGlue) -> None:
    from_catalog.run(config(), glue, "s3://bucket/checkpoint/")
    assert (glue.asked["database"], glue.asked["table_name"]) == ("d", "t")
    asked = glue.asked["additional_options"]
    assert asked["startingPosition"] == "TRIM_HORIZON"
    assert asked["failOnDataLoss"] == "true"
    assert "awsSTSRoleARN" not in asked
    assert glue.options == {"windowSize": "60 seconds", "checkpointLocation": "s3://bucket/checkpoint/"}


def test_a_time_a_role_and_accepted_losses_are_handed_on(glue: FakeGlue) -> None:
    role = "arn:aws:iam::123456789012:role/reader"
    wanted = {"starting_position": "AT_TIMESTAMP", "timestamp": "2026-01-31T01:00:00+01:00"}
    from_catalog.run(config({**wanted, "role_arn": role, "fail_on_data_loss": False}), glue, "c")
    asked = glue.asked["additional_options"]
    assert (asked["startingPosition"], asked["failOnDataLoss"]) == ("2026-01-31T00:00:00Z", "false")
    assert asked["awsSTSRoleARN"] == role


def test_what_glues_source_can_not_do_is_refused_at_once(glue: FakeGlue) -> None:
    with pytest.raises(ConfigError) as raised:
        from_catalog.run(config({"fan_out": "orders"}, format="csv", schema="id string"), glue, "c")
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "payload.schema",
        "payload.format",
        "source.kinesis.fan_out",
    ]
    assert glue.asked == {}
