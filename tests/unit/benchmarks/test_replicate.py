import threading
from datetime import datetime
from decimal import Decimal
from unittest.mock import MagicMock

import pytest

from benchmarks.replicate import __main__ as replicate
from benchmarks.replicate import job as replicate_job
from benchmarks.replicate import latency
from benchmarks.replicate.job import last_batches
from benchmarks.replicate.latency import Latencies, Pace
from benchmarks.replicate.source import attribute_of, differences, plain
from streamjoin.entry import load_job
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState, LoadProgress

SERVER = MagicMock(host="127.0.0.1", port=3306, user="u", password="the-password")  # noqa: S106

# What the job says


def log_line(changes, *, puts=None, superseded=0, is_replay=False):
    return (
        f"job=bench changes={changes} puts={changes if puts is None else puts} deletes=0 superseded={superseded} "
        f"dead_letters=0 lag_seconds=0.50 position=binlog.000002:578(0-1-111) replay={str(is_replay).lower()} "
        "seconds=2.000"
    )


def changes_of(log, changes):
    return [batch["changes"] for batch in last_batches(log, changes)]


def test_the_batches_at_the_end_of_a_log_are_those_of_the_last_part():
    first = "INFO load=bench.orders rows=5 puts=5"
    log = "\n".join([first, log_line(5), log_line(3, is_replay=True), log_line(4, puts=1)])
    assert last_batches(log, 4) == [{"changes": 4, "puts": 1, "superseded": 0, "replay": False, "seconds": 2.0}]
    assert changes_of(log, 7) == changes_of(log, 6) == [3, 4]
    assert changes_of(log, 100) == [5, 3, 4]
    assert changes_of(log, 0) == []


def test_a_part_that_wrote_fewer_items_than_changes_is_a_problem():
    def problems(changes, *lines, is_replay=False):
        batches = last_batches("\n".join(lines), 100)
        result = {"bulk": {"count": changes}, "problems": []}
        replicate.note_batches(MagicMock(last_batches=lambda *_: batches), "bulk", result, is_replay=is_replay)
        return result["problems"]

    assert problems(7, log_line(3), log_line(4)) == []
    assert len(problems(8, log_line(3), log_line(4))) == 1
    assert len(problems(7, log_line(3), log_line(4), is_replay=True)) == 1
    (problem,) = problems(7, log_line(7, puts=6, superseded=1))
    assert "'puts': 6, 'superseded': 1" in problem


class ControlItems:
    """A control table whose item is another one at each look."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, *items):
        self._items = iter(items)

    def get_item(self, **request):
        item = next(self._items)
        if item is None:
            raise self.exceptions.ResourceNotFoundException
        return {"Item": item}


def at(offset, loading=None):
    return ControlState(BinlogPosition("binlog.000001", offset), 1, "mariadb:1", loading).to_item()


@pytest.fixture
def job(monkeypatch, tmp_path):
    def with_items(*items):
        monkeypatch.setattr(replicate_job, "POLL_SECONDS", 0.0)
        monkeypatch.setattr(replicate_job, "aws_client", lambda _: ControlItems(*items))
        found = replicate_job.Job(SERVER, tmp_path)
        found._process = MagicMock()
        return found

    return with_items


def test_the_load_is_watched_from_its_begin_to_its_end(job):
    begun, loading = at(4, {"bench.orders": LoadProgress()}), at(4, {"bench.orders": LoadProgress(rows=5)})
    watched = job(None, {}, {"lease_owner": {"S": "x"}}, begun, loading, at(4))
    assert watched.until_loading() < watched.until_loaded()
    assert next(watched._client._items, None) is None


def test_a_position_is_reached_when_it_is_in_the_control_table_or_a_later_one_is(job):
    watched = job(at(4), at(10), at(11))
    watched.until_at(BinlogPosition("binlog.000001", 10))
    assert next(watched._client._items) == at(11)


def test_a_job_that_does_not_come_so_far_is_an_error(job, monkeypatch):
    monkeypatch.setattr(replicate_job, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(TimeoutError, match="didn't come so far"):
        job(at(4)).until_begun()


# Rows and items


def test_values_are_compared_as_what_they_mean():
    assert attribute_of(Decimal("1.50")) == plain({"N": "1.5"})
    assert attribute_of(7) == plain({"N": "7"})
    assert attribute_of(datetime(2024, 1, 2, 3, 4, 5, 500_000)) == plain({"S": "2024-01-02 03:04:05.500"})  # noqa: DTZ001
    assert attribute_of("x") != plain({"B": b"x"})


def test_items_that_are_wrong_missing_or_too_many_are_told():
    rows = {1: {"v": ("S", "a")}, 2: {"v": ("S", "b")}}
    assert differences(rows, dict(rows)) == []
    (problem,) = differences(rows, {1: {"v": ("S", "x")}, 3: {}})
    assert problem == ("3 of 2 rows are no equal items, such as 1: row {'v': ('S', 'a')}, item {'v': ('S', 'x')}")


def test_the_job_has_the_defaults_of_its_configuration_and_no_password(tmp_path, monkeypatch):
    path = replicate_job.write_config(tmp_path, SERVER)
    assert "the-password" not in path.read_text()
    monkeypatch.setenv(replicate_job.PASSWORD_VARIABLE, "the-password")
    config = load_job(str(path))
    assert isinstance(config, ReplicateConfig)
    assert config.limits.max_records_per_batch == 10_000
    assert config.trigger.interval_seconds == 0.2


# From commit to item


PACE = Pace(rows=10, rate=100.0, warm_up=2, counted=5, first_number=1)


def test_each_change_is_of_another_row():
    changes = list(Pace(rows=1_000, rate=1.0, warm_up=100, counted=900, first_number=5).changes())
    assert [number for number, _ in changes] == list(range(5, 1_005))
    assert {key for _, key in changes} == set(range(1, 1_001))


def test_a_change_is_seen_when_its_item_has_its_number_or_a_later_one():
    found = Latencies()
    found.committed(1, 10, 100.0, is_counted=True)
    found.committed(2, 11, 100.5, is_counted=True)
    found.committed(3, 12, 101.0, is_counted=False)
    assert found.oldest() == [1, 2, 3]
    found.seen({1: 9, 2: 11, 3: 13}, 101.5)
    assert (found.seconds, found.oldest()) == ([1.0], [1])
    found.seen({1: 11}, 102.0)
    assert (found.seconds, found.unseen) == ([1.0, 2.0], 0)


def test_the_oldest_are_read_first_and_not_more_than_a_read_takes():
    found = Latencies()
    for key in range(250, 0, -1):
        found.committed(key, 1, 0.0, is_counted=True)
    assert found.oldest() == list(range(250, 150, -1))


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
    found = latency.measure(service, service, PACE, lambda: None)
    assert len(found.seconds) == PACE.counted
    assert all(0 < seconds < 30 for seconds in found.seconds)
    assert found.unseen == 0
    assert service.items == {key: number for number, key in PACE.changes()}
    assert threading.active_count() < 10


def test_a_change_that_never_becomes_an_item_is_a_problem(monkeypatch):
    monkeypatch.setattr(latency, "PATIENCE_SECONDS", 0.1)
    service = ItemsAtOnce(never=[4])
    found = latency.measure(service, service, PACE, lambda: None)
    assert found.unseen == 1
    (problem,) = [each for each in latency.problems(found, PACE) if "seen" in each]
    assert problem == "latency: expected 5 changes to be seen, found 4, 1 still awaited"


def test_a_writer_that_came_too_late_is_a_problem():
    found = Latencies([0.1] * 5, [0.01], writing_seconds=0.04)
    assert latency.problems(found, PACE) == []
    found.writing_seconds = 0.05
    assert latency.problems(found, PACE) == [
        "latency: expected 100 changes a second, found 80.0: the writer came too late"
    ]


# The result


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({}, []),
        ({"p50": 0.51, "p99": 0.6}, ["commit to item, p50 at 200 changes a second, seconds"]),
        ({"p99": 2.01}, ["commit to item, p99 at 200 changes a second, seconds"]),
        ({"bulk": 1_999}, ["bulk changes a second"]),
    ],
)
def test_the_bounds_stand_beside_what_was_found(found, missed):
    numbers = {"p50": 0.1, "p99": 0.3, "bulk": 2_500} | found
    measured = Latencies([numbers["p50"]] * 98 + [numbers["p99"]] * 2, [0.01], writing_seconds=0.495)
    told = latency.to_json(measured, Pace(1_000, 200.0, 0, 100, 1))
    assert (told["changes_a_second"], told["max_seconds"]) == (200.0, numbers["p99"])
    bulk = replicate.rate_json(numbers["bulk"], 1.0)
    claims = replicate.claims({"parameters": {"changes_a_second": 200}, "latency": told, "bulk": bulk})
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed
    assert len(claims) == 3
