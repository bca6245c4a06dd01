"""What a replication has done, minute by minute, in a control table in memory."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streamjoin.history.figures import BatchFigures, Freshness
from streamjoin.history.stored_figures import together
from streamjoin.replicate.figures import HOURS, FiguresByMinute
from tests.faults.reference import client_error

BEGIN = datetime(2026, 1, 31, 8, 58, 0, tzinfo=UTC)


class Meta:
    region_name = "us-east-1"


class Client:
    """The two calls, on items in memory."""

    meta = Meta()

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.writes, self.is_throttled = 0, False

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> dict[str, Any]:
        found = self.items.get(Key["job"]["S"])
        return {"Item": found} if found else {}

    def put_item(self, *, TableName: str, Item: Any) -> None:
        if self.is_throttled:
            raise client_error("ProvisionedThroughputExceededException", "PutItem")
        self.writes += 1
        self.items[Item["job"]["S"]] = json.loads(json.dumps(Item))


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now.timestamp()

    def batches(self, count: int, every_seconds: float) -> Iterator[BatchFigures]:
        for number in range(count):
            yield BatchFigures(
                batch_id=f"b{number}", at=self.now, read=1, bytes=number, freshness=Freshness(1.0, 2.0, number)
            )
            self.now += timedelta(seconds=every_seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> Client:
    return Client()


def log_of(client: Client, clock: Clock, job: str = "country") -> FiguresByMinute:
    return FiguresByMinute(client, "control", job, clock=clock)  # type: ignore[arg-type]


def kept(client: Client, clock: Clock, since: datetime = BEGIN) -> list[BatchFigures]:
    return list(log_of(client, clock).since(since))


def test_batches_of_a_minute_are_one_entry_over_the_hours_and_a_second_process(client: Client, clock: Clock) -> None:
    made, minutes = list[BatchFigures](), dict[int, list[BatchFigures]]()
    for _ in range(2):
        figures = log_of(client, clock)
        for batch in clock.batches(300, 0.5):
            figures.add(batch)
            made.append(batch)
        figures.write()
    for batch in made:
        minutes.setdefault(int(batch.at.timestamp()) // 60, []).append(batch)
    assert kept(client, clock) == [together(batches) for batches in minutes.values()]
    assert [each.read for each in kept(client, clock)] == [120, 120, 120, 120, 120]
    assert len(client.items) == 2, "an item an hour"
    # However many batches there are: every ten seconds, at each end of a minute, at each end.
    assert client.writes <= 5 * 60 / 10 + 5 + 2


def test_what_is_in_hand_is_written_ten_seconds_later_also_if_nothing_more_comes(client: Client, clock: Clock) -> None:
    figures = log_of(client, clock)
    figures.add(next(clock.batches(1, 0)))
    figures.keep()
    assert kept(client, clock) == []
    clock.now += timedelta(seconds=10)
    figures.keep()
    assert [each.read for each in kept(client, clock)] == [1]


def test_after_thirty_days_an_hour_takes_the_place_of_another_which_is_never_read_for_it(
    client: Client, clock: Clock
) -> None:
    figures = log_of(client, clock)
    for hour in range(HOURS + 5):
        clock.now = BEGIN + timedelta(hours=hour)
        figures.add(next(clock.batches(1, 0)))
        figures.write()
    assert len(client.items) == HOURS
    found = kept(client, clock)
    assert [each.at for each in found] == [BEGIN + timedelta(hours=hour) for hour in range(5, HOURS + 5)]
    clock.now += timedelta(hours=10)
    assert len(kept(client, clock)) == HOURS - 10
    assert kept(client, clock, since=clock.now - timedelta(hours=11)) == found[-2:]


def test_what_can_not_be_written_is_said_and_fails_no_batch(
    client: Client, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    figures = log_of(client, clock)
    client.is_throttled = True
    for batch in clock.batches(3, 30):
        figures.add(batch)
    figures.write()
    assert "job=country figures of a minute are lost: control table 'control'" in caplog.text
    client.is_throttled = False
    for batch in clock.batches(3, 30):
        figures.add(batch)
    figures.write()
    assert sum(each.read for each in kept(client, clock)) >= 3
