"""Where a capture begins, and what is said of a source that can't be captured."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streamjoin.capture import sources as capture_sources
from streamjoin.capture.backfill_note import NotedMoment
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.sources import ChangeSource, source_of
from streamjoin.entry import load_job
from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.plan import Stream
from streamjoin.shards.position import Position, PositionKind
from tests.faults.kinesis import FakeKinesis
from tests.faults.kinesis_clock import FakeClock
from tests.faults.stream import FakeTableStream

HOUR_MS = 3_600_000


class World:
    """A stream by its fake service, and the source of a configuration over it."""

    def __init__(self, patch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.clock = FakeClock()
        self.service = FakeKinesis(self.clock, shards=2)
        stream = Stream(self.service.name)
        client = StreamClient(stream, self.service, self.clock, jitter=lambda: 0.0)
        patch.setattr(kinesis, "stream_client", lambda stream: client)
        self.source = capture_sources.KinesisChanges(
            config_of({"kinesis": {"stream_name": self.service.name, **settings}}).source.kinesis,  # type: ignore[arg-type]
            clock=lambda: self.clock.now_ms() / 1000,
        )

    def hours_ago(self, hours: float, *, is_of_all: bool = True) -> NotedMoment:
        return NotedMoment(round((self.clock.now_ms() - hours * HOUR_MS) * 1000), is_of_all)


def config_of(source: dict[str, Any]) -> CaptureConfig:
    config = load_job(
        {
            "job": "capture",
            "name": "c",
            "source": source,
            "tables": [{"table_name": "orders", "sink": {"hudi": {"base_path": "/lake/o", "table_name": "o"}}}],
            "dead_letters": {"base_path": "/lake/dead"},
        }
    )
    assert isinstance(config, CaptureConfig)
    return config


def kinds(position: Position) -> set[str]:
    return {place.kind.value for place in position.shards.values()}


def test_without_a_note_a_stream_begins_where_it_is_configured_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kinds(World(monkeypatch).source.first(None)) == {"TRIM_HORIZON"}
    assert kinds(World(monkeypatch, starting_position="LATEST").source.first(None)) == {"AT_TIMESTAMP"}


@pytest.mark.parametrize(
    ("configured", "is_of_all", "expected"),
    [
        ({}, True, "noted"),
        ({"starting_position": "LATEST"}, False, "noted"),
        ({}, False, "TRIM_HORIZON"),
        ({"starting_position": "AT_TIMESTAMP", "timestamp": "2020-01-01T00:00:00Z"}, False, "configured"),
        ({"starting_position": "AT_TIMESTAMP", "timestamp": "2020-01-01T00:00:00Z"}, True, "noted"),
    ],
)
def test_of_the_noted_moment_and_the_configured_start_the_one_that_all_tables_need_counts(
    monkeypatch: pytest.MonkeyPatch, configured: dict[str, Any], is_of_all: bool, expected: str
) -> None:
    world = World(monkeypatch, **configured)
    noted = world.hours_ago(2, is_of_all=is_of_all)
    places = set(world.source.first(noted).shards.values())
    assert len(places) == 1
    place = places.pop()
    if expected == "TRIM_HORIZON":
        assert place.kind is PositionKind.TRIM_HORIZON
    else:
        at = datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000 if expected == "configured" else noted.us // 1000
        assert place.timestamp_ms == at


def test_a_noted_moment_beyond_what_the_stream_keeps_stops_the_job_unless_it_is_to_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch)
    with pytest.raises(DataLossError, match=r"24 h .*source\.kinesis\.fail_on_data_loss: false"):
        world.source.first(world.hours_ago(25))
    world = World(monkeypatch, fail_on_data_loss=False)
    assert kinds(world.source.first(world.hours_ago(25))) == {"AT_TIMESTAMP"}
    assert "those between are gone" in caplog.text


class Tables:
    """boto3's `dynamodb` client for one table."""

    def __init__(self, stream: FakeTableStream, **specification: Any) -> None:
        self.meta, self._stream, self._specification = stream.meta, stream, specification

    def describe_table(self, **request: Any) -> dict[str, Any]:
        assert request == {"TableName": "orders"}
        key = {
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        }
        return {"Table": {**key, "StreamSpecification": self._specification, "LatestStreamArn": self._stream.arn}}


def table_source(patch: pytest.MonkeyPatch, stream: FakeTableStream, **settings: Any) -> ChangeSource:
    specification = {"StreamEnabled": True, "StreamViewType": stream.view_type}
    clients = {"dynamodb": Tables(stream, **specification), "dynamodbstreams": stream}
    patch.setattr(capture_sources, "aws_client", lambda service, region, role_arn: clients[service])
    return source_of(config_of({"dynamodb_stream": {"table_name": "orders", **settings}}))


def test_a_tables_stream_begins_at_its_oldest_change_or_its_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeTableStream(table_name="orders")
    closed = next(iter(stream.shards))
    stream.rotate(closed)
    oldest = table_source(monkeypatch, stream).first(None)
    assert {place.kind for place in oldest.shards.values()} == {PositionKind.TRIM_HORIZON}
    tip = table_source(monkeypatch, stream, starting_position="LATEST").first(None)
    assert tip.shards[closed].kind is PositionKind.DRAINED


def test_a_note_lets_a_tables_stream_begin_at_its_oldest_change(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeTableStream(table_name="orders")
    source = table_source(monkeypatch, stream, starting_position="LATEST")
    stream.rotate(next(iter(stream.shards)))
    noted = NotedMoment(round((stream.clock() - 3600) * 1_000_000), is_of_all=True)
    assert {place.kind for place in source.first(noted).shards.values()} == {PositionKind.TRIM_HORIZON}
    with pytest.raises(DataLossError, match=r"source\.dynamodb_stream\.fail_on_data_loss"):
        source.first(NotedMoment(round((stream.clock() - 25 * 3600) * 1_000_000), is_of_all=True))


def test_a_stream_without_new_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = table_source(monkeypatch, FakeTableStream(table_name="orders", view_type="KEYS_ONLY"))
    with pytest.raises(SourceError, match=r"expected a stream with the view type NEW_AND_OLD_IMAGES.*KEYS_ONLY"):
        source.check()


def test_a_position_of_another_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = table_source(monkeypatch, FakeTableStream(table_name="orders"))
    source.check_position(Position(FakeTableStream(table_name="orders").arn, {}))
    with pytest.raises(SourceError, match=r"journal\.base_path"):
        source.check_position(Position(FakeTableStream(table_name="others").arn, {}))
