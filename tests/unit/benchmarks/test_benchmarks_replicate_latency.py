import sys
import threading
from pathlib import Path
from unittest.mock import MagicMock

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# The benchmarks are scripts: they find each other by the folder that they are started in.
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

import replicate_latency  # noqa: E402
from replicate_latency import Awaited, Latencies, Pace, latency_problems, percentile  # noqa: E402

PACE = Pace(rows=10, rate=100.0, warm_up=2, counted=5, first_number=1)


def test_each_change_is_of_another_row():
    changes = list(Pace(rows=1_000, rate=1.0, warm_up=100, counted=900, first_number=5).changes())
    assert [number for number, _ in changes] == list(range(5, 1_005))
    assert {key for _, key in changes} == set(range(1, 1_001))


def test_a_change_is_seen_when_its_item_has_its_number_or_a_later_one():
    awaited = Awaited()
    awaited.add(1, 10, 100.0, is_counted=True)
    awaited.add(2, 11, 100.5, is_counted=True)
    awaited.add(3, 12, 101.0, is_counted=False)
    assert awaited.oldest() == [1, 2, 3]
    assert awaited.seen({1: 9, 2: 11, 3: 13}, 101.5) == [1.0]
    assert awaited.oldest() == [1]
    assert awaited.seen({1: 11}, 102.0) == [2.0]
    assert len(awaited) == 0


def test_the_oldest_are_read_first_and_not_more_than_a_read_takes():
    awaited = Awaited()
    for key in range(250, 0, -1):
        awaited.add(key, 1, 0.0, is_counted=True)
    assert awaited.oldest() == list(range(250, 150, -1))


class ItemsAtOnce:
    """A server and a DynamoDB where each committed change is an item at once, but for some."""

    def __init__(self, never=()):
        self.items, self.never = {}, set(never)
        self.cursor = MagicMock()
        self.cursor.execute = self.update

    def update(self, sql, arguments):
        number, key = arguments
        if number not in self.never:
            self.items[key] = number

    def connect(self):
        connection = MagicMock()
        connection.__enter__.return_value.cursor.return_value.__enter__.return_value = self.cursor
        return connection

    def batch_get_item(self, RequestItems):
        keys = [key["id"]["N"] for key in RequestItems["bench_orders"]["Keys"]]
        found = [
            {"id": {"N": key}, "number": {"N": str(self.items[int(key)])}} for key in keys if int(key) in self.items
        ]
        return {"Responses": {"bench_orders": found}}


def test_the_counted_changes_are_measured_and_no_others():
    service = ItemsAtOnce()
    found = replicate_latency.measure(service, service, PACE, lambda: None)
    assert len(found.seconds) == PACE.counted
    assert all(0 < seconds < 30 for seconds in found.seconds)
    assert found.unseen == 0
    assert service.items == {key: number for number, key in PACE.changes()}
    assert threading.active_count() < 10


def test_a_change_that_never_becomes_an_item_is_a_problem(monkeypatch):
    monkeypatch.setattr(replicate_latency, "PATIENCE_SECONDS", 0.1)
    service = ItemsAtOnce(never=[4])
    found = replicate_latency.measure(service, service, PACE, lambda: None)
    assert found.unseen == 1
    (problem,) = [each for each in latency_problems(found, PACE) if "seen" in each]
    assert problem == "latency: expected 5 changes to be seen, found 4, 1 still awaited"


def test_a_writer_that_came_too_late_is_a_problem():
    found = Latencies([0.1] * 5, [0.01], writing_seconds=0.04)
    assert latency_problems(found, PACE) == []
    found.writing_seconds = 0.05
    assert latency_problems(found, PACE) == [
        "latency: expected 100 changes a second, found 80.0: the writer came too late"
    ]


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50.0, 90.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
