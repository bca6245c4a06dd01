"""Where a job goes on is set for every shard or for some, and nothing happens before a person agreed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.set_position import set_position
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError, SinkError, SourceError
from streamjoin.history.set_position import StartAfter, StartAt, Target, target_position
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import TableLock
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position
from tests.faults.kinesis import FakeKinesis
from tests.faults.kinesis_clock import FakeClock
from tests.faults.ledger import FakeTable
from tests.history import JobHistory, at

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def config_of(folder: Path, stream_name: str = "orders") -> EnrichConfig:
    return parse_config(
        {
            "job": "enrich",
            "name": "orders",
            "source": {"kinesis": {"stream_name": stream_name}},
            "payload": {"schema": "uuid string"},
            "sink": {"hudi": {"base_path": str(folder / "t"), "table_name": "t", "record_key": ["uuid"]}},
            "dead_letters": {"base_path": str(folder / "dead")},
        }
    )


@pytest.fixture
def config(tmp_path: Path) -> EnrichConfig:
    return config_of(tmp_path)


@pytest.fixture
def kinesis() -> FakeKinesis:
    return FakeKinesis(FakeClock(), shards=2)


def written(config: EnrichConfig, kinesis: FakeKinesis) -> tuple[str, str]:
    """Make the table of a job that has read some of both shards."""
    first, second = list(kinesis.shards)
    job = JobHistory(FakeTable(Path(config.sink.hudi.base_path)).commit)
    job.start(first, second)
    job.batch({first: 5, second: 7})
    return first, second


def asked(config: EnrichConfig, kinesis: FakeKinesis, target: Target) -> Sequence[str]:
    """Return the changes that a person is asked about, who then says no."""
    heard: list[str] = []

    def refuse(changes: Sequence[str]) -> bool:
        heard.extend(changes)
        with pytest.raises(SinkError), TableLock(config.sink.hudi.base_path, job="meanwhile"):
            pass
        return False

    client = StreamClient(Stream("orders"), kinesis, kinesis.clock)
    before = sorted(Path(config.sink.hudi.base_path, ".hoodie").rglob("*"))
    assert set_position(config, target, confirm=refuse, clock=lambda: NOON, client=client) == ()
    assert sorted(Path(config.sink.hudi.base_path, ".hoodie").rglob("*")) == before
    with TableLock(config.sink.hudi.base_path, job="afterwards"):
        return heard


def test_latest_sets_open_shards_to_now_and_closed_ones_to_their_end(
    config: EnrichConfig, kinesis: FakeKinesis
) -> None:
    first, second = written(config, kinesis)
    children = kinesis.split(first)
    changes = asked(config, kinesis, StartAt("LATEST"))
    assert len(changes) == 4
    assert f"shard '{first}': from after 5 to its end (drained): what is left of it is skipped" in changes
    assert any(
        line.startswith(f"shard '{second}': from after 7 to what arrives from 2026-01-31T12:00") for line in changes
    )
    assert all(any(f"'{child}': not known before" in line for line in changes) for child in children)


def test_a_time_is_set_for_closed_shards_too_and_without_a_zone_it_is_utc(
    config: EnrichConfig, kinesis: FakeKinesis
) -> None:
    first, second = written(config, kinesis)
    kinesis.split(first)
    changes = asked(config, kinesis, StartAt("AT_TIMESTAMP", datetime(2026, 1, 30)))  # noqa: DTZ001
    assert f"shard '{first}': from after 5 to what arrives from 2026-01-30T00:00:00.000+00:00 on" in changes[0]
    assert f"shard '{second}'" in changes[1]


def test_the_trim_horizon_reads_everything_that_is_held_again(config: EnrichConfig, kinesis: FakeKinesis) -> None:
    written(config, kinesis)
    changes = asked(config, kinesis, StartAt("TRIM_HORIZON"))
    assert all("to its beginning: every record that the stream still holds is read" in line for line in changes)


def test_a_sequence_number_moves_its_shard_alone(config: EnrichConfig, kinesis: FakeKinesis) -> None:
    first, _ = written(config, kinesis)
    (change,) = asked(config, kinesis, StartAfter({first: "3"}))
    assert change == f"shard '{first}': from after 5 to after 3: the records after 3 up to 5 are read again"


def test_a_target_where_the_job_stands_already_asks_no_question(config: EnrichConfig, kinesis: FakeKinesis) -> None:
    first, _ = written(config, kinesis)
    assert asked(config, kinesis, StartAfter({first: "5"})) == []


def test_a_drained_shard_that_is_not_listed_now_stays_drained(kinesis: FakeKinesis) -> None:
    before = Position("orders", {"shardId-old": DRAINED, "shardId-lost": at(5)})
    client = StreamClient(Stream("orders"), kinesis, kinesis.clock)
    after = target_position(before, StartAt("TRIM_HORIZON"), Stream("orders"), NOON, client)
    assert after.shards == {"shardId-old": DRAINED, **dict.fromkeys(kinesis.shards, TRIM_HORIZON)}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (
            StartAfter({"shardId-9": "3"}),
            "--sequence-number: stream 'orders' lists no shard 'shardId-9'; it lists: shard",
        ),
        (StartAfter({"shardId-000000000000": "4965x"}), "=4965x: expected the decimal digits of a sequence number"),
        (StartAt("AT_TIMESTAMP", NOON + timedelta(seconds=1)), "--at-timestamp: 2026-01-31T12:00:01+00:00 is to come"),
    ],
)
def test_what_the_stream_can_not_have_is_refused(
    config: EnrichConfig, kinesis: FakeKinesis, target: Target, problem: str
) -> None:
    written(config, kinesis)
    with pytest.raises(ConfigError) as raised:
        asked(config, kinesis, target)
    assert any(problem in each for each in raised.value.problems)


def test_without_a_table_there_is_nothing_to_set_and_nothing_is_made(
    config: EnrichConfig, kinesis: FakeKinesis, tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match=r"set that\.$"):
        set_position(config, StartAt("LATEST"), client=StreamClient(Stream("orders"), kinesis, kinesis.clock))
    assert list(tmp_path.iterdir()) == []


def test_the_position_of_another_stream_is_not_set(config: EnrichConfig, kinesis: FakeKinesis, tmp_path: Path) -> None:
    written(config, kinesis)
    client = StreamClient(Stream("returns"), kinesis, kinesis.clock)
    with pytest.raises(SourceError, match="is of stream 'orders'"):
        set_position(config_of(tmp_path, "returns"), StartAt("LATEST"), client=client)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (StartAt("LATEST"), "--latest"),
        (StartAt("TRIM_HORIZON"), "--trim-horizon"),
        (StartAt("AT_TIMESTAMP", NOON), "--at-timestamp 2026-01-31T12:00:00+00:00"),
        (StartAfter({"b": "2", "a": "1"}), "--sequence-number a=1 --sequence-number b=2"),
    ],
)
def test_a_target_reads_as_the_option_that_it_came_from(target: Target, text: str) -> None:
    assert str(target) == text
