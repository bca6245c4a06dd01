import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.control_state import ControlState, LoadProgress

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# The benchmarks are scripts: they find each other by the folder that they are started in.
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

import replicate  # noqa: E402
import replicate_job  # noqa: E402
import replicate_report  # noqa: E402
from replicate_job import LoggedBatch, Watch, last_batches, logged_batches  # noqa: E402
from replicate_latency import Latencies, Pace, latency_json  # noqa: E402
from replicate_source import attribute_of, differences, plain  # noqa: E402

RESULT_KEYS = {
    *("machine", "versions", "measured_at", "parameters", "problems", "claims"),
    *("full_load", "latency", "bulk", "replay", "rows_checked"),
}


# Arguments


def test_the_default_is_the_issues_pace():
    args = replicate.arguments([])
    assert (args.rows, args.rate) == (100_000, 200)
    assert args.output == BENCHMARKS / "results" / "replicate.json"


@pytest.mark.parametrize("given", [["--bulk", "11"], ["--replay", "11"], ["--warmup", "6", "--changes", "5"]])
def test_no_row_is_changed_twice_in_a_part(given, capsys):
    small = ["--rows", "10", "--bulk", "10", "--replay", "10", "--warmup", "5", "--changes", "5"]
    assert replicate.arguments(small).rows == 10
    with pytest.raises(SystemExit):
        replicate.arguments([*small, *given])
    assert "expected 10 (--rows) at most" in capsys.readouterr().err


# What the job says


def log_line(changes, *, puts=None, superseded=0, is_replay=False):
    return (
        f"job=bench changes={changes} puts={changes if puts is None else puts} deletes=0 superseded={superseded} "
        f"dead_letters=0 lag_seconds=0.50 position=binlog.000002:578(0-1-111) replay={str(is_replay).lower()} "
        "seconds=2.000"
    )


def test_a_log_has_the_batches_in_their_order():
    log = "\n".join(["INFO load=bench.orders rows=5 puts=5", log_line(3, is_replay=True), log_line(4, puts=1)])
    assert logged_batches(log) == [LoggedBatch(3, 3, 0, True, 2.0), LoggedBatch(4, 1, 0, False, 2.0)]


def test_the_batches_at_the_end_are_those_of_the_last_part():
    batches = logged_batches("\n".join(map(log_line, (5, 3, 4))))
    assert last_batches(batches, 7) == batches[1:]
    assert last_batches(batches, 6) == batches[1:]
    assert last_batches(batches, 100) == batches
    assert last_batches(batches, 0) == []


def test_a_part_that_wrote_fewer_items_than_changes_is_a_problem():
    batches = logged_batches("\n".join([log_line(3), log_line(4)]))
    assert replicate_report.batch_problems("bulk", batches, 7, is_replay=False) == []
    assert len(replicate_report.batch_problems("bulk", batches, 8, is_replay=False)) == 1
    assert len(replicate_report.batch_problems("bulk", batches, 7, is_replay=True)) == 1
    fewer = logged_batches(log_line(7, puts=6, superseded=1))
    (problem,) = replicate_report.batch_problems("bulk", fewer, 7, is_replay=False)
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
def watch(monkeypatch):
    monkeypatch.setattr(replicate_job, "POLL_SECONDS", 0.0)
    return lambda *items: Watch(ControlItems(*items), MagicMock())


def test_the_load_is_watched_from_its_begin_to_its_end(watch):
    begun, loading = at(4, {"bench.orders": LoadProgress()}), at(4, {"bench.orders": LoadProgress(rows=5)})
    watched = watch(None, {}, {"lease_owner": {"S": "x"}}, begun, loading, at(4))
    assert watched.until_loading() < watched.until_loaded()
    assert next(watched._client._items, None) is None


def test_a_position_is_reached_when_it_is_in_the_control_table_or_a_later_one_is(watch):
    watched = watch(at(4), at(10), at(11))
    watched.until_at(BinlogPosition("binlog.000001", 10))
    assert next(watched._client._items) == at(11)


def test_a_job_that_does_not_come_so_far_is_an_error(watch, monkeypatch):
    monkeypatch.setattr(replicate_job, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(TimeoutError, match="didn't come so far"):
        watch(at(4)).until_begun()


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
    from streamjoin.entry import load_job  # noqa: PLC0415
    from streamjoin.replicate.config import ReplicateConfig  # noqa: PLC0415

    server = MagicMock(host="127.0.0.1", port=3306, user="u", password="the-password")  # noqa: S106
    path = replicate_job.write_config(tmp_path, server)
    assert "the-password" not in path.read_text()
    monkeypatch.setenv(replicate_job.PASSWORD_VARIABLE, "the-password")
    config = load_job(str(path))
    assert isinstance(config, ReplicateConfig)
    assert config.limits.max_records_per_batch == 10_000
    assert config.trigger.interval_seconds == 0.2


# The result


def result_of(p50=0.1, p99=0.3, bulk=2_500, problems=()):
    seconds = [p50] * 98 + [p99] * 2
    latency = latency_json(Latencies(seconds, [0.01], writing_seconds=0.495), Pace(1_000, 200.0, 0, 100, 1))
    result = {
        "parameters": {"changes_a_second": 200},
        "problems": list(problems),
        "full_load": replicate_report.rate_json(1_000, 0.5),
        "latency": latency,
        "bulk": replicate_report.rate_json(bulk, 1.0),
        "replay": replicate_report.rate_json(500, 1.0),
        "rows_checked": 1_000,
    }
    return result | {"claims": replicate_report.claims(result)}


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
    claims = result_of(**found)["claims"]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed
    assert all(("at_most" in claim) != ("at_least" in claim) for claim in claims)


def test_latencies_are_told_with_the_pace_that_they_were_found_at():
    latency = result_of()["latency"]
    assert latency["changes_a_second"] == 200.0
    assert (latency["p50_seconds"], latency["p99_seconds"], latency["max_seconds"]) == (0.1, 0.3, 0.3)


def test_a_missed_claim_and_a_problem_are_printed_and_no_success_beside_it():
    printed = replicate_report.lines(result_of(bulk=1_500, problems=["an item is missing"]))
    assert "MISSED bulk changes a second: 1,500.0, claimed at least 2,000" in printed
    assert printed[-1] == "WRONG: an item is missing"
    assert replicate_report.lines(result_of())[-1] == "all 1,000 items are equal to their rows"


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["an item is missing"], 1)])
def test_a_problem_is_the_exit_code_and_stands_in_the_json(problems, code, monkeypatch, tmp_path):
    measured = {**result_of(problems=problems), "versions": {}, "measured_at": "now"}
    monkeypatch.setattr(replicate, "LocalStack", MagicMock())
    monkeypatch.setattr(replicate, "MariaDb", MagicMock())
    monkeypatch.setattr(replicate, "measure_all", lambda args, directory, source: measured)
    assert replicate.main(["-o", str(tmp_path / "new" / "result.json")]) == code
    written = json.loads((tmp_path / "new" / "result.json").read_text())
    assert written.keys() == RESULT_KEYS
    assert written["problems"] == problems


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "results").glob("replicate.json")), ids=lambda path: path.name)
def test_a_published_result_was_checked_and_says_what_it_was_measured_on(path):
    result = json.loads(path.read_text())
    assert result.keys() == RESULT_KEYS
    assert result["problems"] == []
    parameters = result["parameters"]
    assert result["rows_checked"] == result["full_load"]["count"] == parameters["rows"]
    assert result["latency"]["changes"] == parameters["counted_changes"]
    assert all(claim["holds"] for claim in result["claims"])
