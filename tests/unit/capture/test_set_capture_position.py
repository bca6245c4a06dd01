"""Where a capture job goes on is set in its journal, and nothing happens before a person agreed."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.set_position import set_position
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.entry import parse_job
from streamjoin.errors import ConfigError, SinkError, SourceError
from streamjoin.history.journal import Journal
from streamjoin.history.set_position import StartAfter, StartAt, Target
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import TableLock
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position
from tests.faults.kinesis import FakeKinesis
from tests.faults.kinesis_clock import FakeClock
from tests.faults.stream import FakeTableStream
from tests.history import JobHistory, at

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KINESIS = {"kinesis": {"stream_name": "orders"}}
TABLE = {"dynamodb_stream": {"table_name": "countries"}}


def config_of(folder: Path, source: dict[str, Any]) -> CaptureConfig:
    found = parse_job(
        {
            "job": "capture",
            "name": "c",
            "source": source,
            "tables": [
                {"table_name": "countries", "sink": {"hudi": {"base_path": str(folder / "t"), "table_name": "t"}}}
            ],
            "dead_letters": {"base_path": str(folder / "dead")},
        }
    )
    assert isinstance(found, CaptureConfig)
    return found


@pytest.fixture
def kinesis() -> FakeKinesis:
    return FakeKinesis(FakeClock(), shards=2)


@pytest.fixture
def table() -> FakeTableStream:
    return FakeTableStream(shards=2)


def journal_of(config: CaptureConfig, begin: Position) -> Journal:
    """Make the journal of a job that has read five records of its first shard."""
    journal = Journal(journal_path(config))
    job = JobHistory(journal.append)
    job.position = begin
    job.write("start", (), {})
    job.batch({next(iter(begin.shards)): 5})
    return journal


def set_it(
    config: CaptureConfig,
    target: Target,
    kinesis: FakeKinesis | None = None,
    table: FakeTableStream | None = None,
    *,
    confirm: Callable[[Sequence[str]], bool] = lambda changes: True,
) -> tuple[str, ...]:
    return set_position(
        config,
        target,
        confirm=confirm,
        clock=lambda: NOON,
        client=StreamClient(Stream("orders"), kinesis, kinesis.clock) if kinesis else None,
        table_stream=(lambda: TableStream(table, table.arn, table_name="countries")) if table else None,
    )


def test_a_position_that_is_agreed_to_is_an_entry_that_says_who_set_it(tmp_path: Path, kinesis: FakeKinesis) -> None:
    config = config_of(tmp_path, KINESIS)
    first, second = kinesis.shards
    journal = journal_of(config, Position("orders", dict.fromkeys(kinesis.shards, TRIM_HORIZON)))
    before = journal.newest()
    (change,) = set_it(config, StartAfter({first: "3"}), kinesis)
    assert change == f"shard '{first}': from after 5 to after 3: the records after 3 up to 5 are read again"
    entry = journal.newest()
    assert before is not None
    assert entry is not None
    assert (entry.batch_id, entry.ranges, entry.counts["read"]) == (f"set-{before.instant}", (), 0)
    assert {shard_id: place.place for shard_id, place in entry.position.shards.items()} == {
        first: at(3).place,
        second: TRIM_HORIZON.place,
    }
    audit = json.loads(entry.extra["audit"])
    assert (audit["set_at"], audit["what"]) == (NOON.isoformat(), f"--sequence-number {first}=3")


def test_nothing_happens_without_consent_and_the_job_waits_outside_meanwhile(
    tmp_path: Path, kinesis: FakeKinesis
) -> None:
    config = config_of(tmp_path, KINESIS)
    journal = journal_of(config, Position("orders", dict.fromkeys(kinesis.shards, TRIM_HORIZON)))
    before = journal.newest()

    def refuse(changes: Sequence[str]) -> bool:
        assert len(changes) == 2
        with pytest.raises(SinkError), TableLock(journal_path(config), job="meanwhile"):
            pass
        return False

    assert set_it(config, StartAt("LATEST"), kinesis, confirm=refuse) == ()
    assert journal.newest() == before


def test_a_job_that_runs_is_left_alone(tmp_path: Path, kinesis: FakeKinesis) -> None:
    config = config_of(tmp_path, KINESIS)
    journal_of(config, Position("orders", dict.fromkeys(kinesis.shards, TRIM_HORIZON)))
    with TableLock(journal_path(config), job="c"), pytest.raises(SinkError):
        set_it(config, StartAt("LATEST"), kinesis)


def test_without_a_journal_there_is_nothing_to_set_and_nothing_is_made(tmp_path: Path, kinesis: FakeKinesis) -> None:
    with pytest.raises(SinkError, match=r"no journal at .*starting_position of its source; set that\.$"):
        set_it(config_of(tmp_path, KINESIS), StartAt("LATEST"), kinesis)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("source", "begun"), [(KINESIS, "returns"), (TABLE, "orders")])
def test_the_position_of_another_stream_is_not_set(
    tmp_path: Path, source: dict[str, Any], begun: str, kinesis: FakeKinesis, table: FakeTableStream
) -> None:
    config = config_of(tmp_path, source)
    journal_of(config, Position(begun, {"shardId-0": TRIM_HORIZON}))
    with pytest.raises(SourceError, match=f"'{begun}'"):
        set_it(config, StartAt("TRIM_HORIZON"), kinesis, table)


def test_a_table_s_own_stream_is_set_to_its_beginning_and_what_was_drained_stays_so(
    tmp_path: Path, table: FakeTableStream
) -> None:
    config = config_of(tmp_path, TABLE)
    first, second = table.open_shards()
    places = {first: TRIM_HORIZON, second: TRIM_HORIZON, "shardId-old": DRAINED}
    journal = journal_of(config, Position(table.arn, places))
    (change,) = set_it(config, StartAt("TRIM_HORIZON"), table=table)
    assert change.startswith(f"shard '{first}': from after 5 to its beginning: every record that the stream still")
    entry = journal.newest()
    assert entry is not None
    assert entry.position == Position(table.arn, places)


def test_a_shard_of_a_table_s_own_stream_is_set_to_a_sequence_number(tmp_path: Path, table: FakeTableStream) -> None:
    config = config_of(tmp_path, TABLE)
    first, second = table.open_shards()
    journal = journal_of(config, Position(table.arn, dict.fromkeys((first, second), TRIM_HORIZON)))
    assert len(set_it(config, StartAfter({second: "7"}), table=table)) == 1
    entry = journal.newest()
    assert entry is not None
    places = {shard_id: place.place for shard_id, place in entry.position.shards.items()}
    assert places == {first: at(5).place, second: at(7).place}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (StartAt("LATEST"), "--latest: a table's own stream can't be entered there; expected --trim-horizon or "),
        (StartAt("AT_TIMESTAMP", NOON - timedelta(hours=1)), "a table's own stream can't be entered there; "),
        (StartAfter({"shardId-9": "3"}), "--sequence-number: the stream of the table has no shard 'shardId-9'; it has"),
        (StartAfter({"shardId-9": "x"}), "=x: expected the decimal digits of a sequence number"),
    ],
)
def test_what_a_table_s_own_stream_can_not_have_is_refused(
    tmp_path: Path, table: FakeTableStream, target: Target, problem: str
) -> None:
    config = config_of(tmp_path, TABLE)
    journal_of(config, Position(table.arn, dict.fromkeys(table.open_shards(), TRIM_HORIZON)))
    with pytest.raises(ConfigError) as raised:
        set_it(config, target, table=table)
    assert any(problem in each for each in raised.value.problems)
