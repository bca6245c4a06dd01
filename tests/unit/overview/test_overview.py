"""The numbers of an overview, from figures that are made up."""

from datetime import UTC, datetime, timedelta

import pytest

from streamjoin.history.entry import Entry
from streamjoin.history.figures import BatchFigures, Freshness
from streamjoin.lock.holder import Holder
from streamjoin.lock.view import LockView
from streamjoin.overview.overview import Overview, shards_of
from streamjoin.overview.state import JobState, State
from tests.history import JobHistory

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
HOLDER = Holder("orders", "host", 42, "2026-01-31T11:00:00+00:00")


def overview(*batches: BatchFigures, runs: bool = True) -> Overview:
    return Overview(
        job="orders",
        kind="enrich",
        where={"table": "sales.orders"},
        now=NOW,
        state=JobState(State.RUNNING, "it runs"),
        lock=LockView(HOLDER, is_alive=True) if runs else LockView(),
        batches=batches,
        letters={"WRONG_TYPE": 3},
    )


def batch(age_seconds: float, read: int, p99: float | None = None) -> BatchFigures:
    fresh = None if p99 is None else Freshness(1.0, p99, p99 + 1)
    return BatchFigures(batch_id="b", at=NOW - timedelta(seconds=age_seconds), read=read, kept=read, freshness=fresh)


def test_a_rate_is_records_by_the_time_in_which_they_came() -> None:
    steady = overview(*(batch(age, 50) for age in range(1000, -1, -5)))
    assert [round(rate, 1) for name in (60, 300, 900) if (rate := steady.rate(name)) is not None] == [10.0, 10.0, 10.0]
    # The job began ten seconds ago: its first batch took five of them.
    young = overview(batch(10, 0), batch(5, 100), batch(0, 100))
    assert young.rate(60) == pytest.approx(20.0)
    assert overview().rate(60) is None


def test_what_stands_still_is_told_as_of_its_last_commit_and_a_job_that_runs_as_of_now() -> None:
    batches = [batch(age, 50) for age in range(8_000, 7_000, -5)]
    assert overview(*batches, runs=True).rate(60) == 0.0
    assert overview(*batches, runs=False).rate(60) == pytest.approx(10.0)


def test_the_worst_freshness_and_the_sums_are_those_of_the_last_quarter_of_an_hour() -> None:
    whole = overview(batch(2_000, 9, 99.0), batch(800, 5, 7.0), batch(10, 5, 2.0)).sum_lately()
    assert whole is not None
    assert (whole.read, whole.batches, whole.freshness) == (10, 2, Freshness(1.0, 7.0, 8.0))


def test_each_shard_stands_where_the_newest_entry_that_read_it_says() -> None:
    entries: list[Entry] = []
    history = JobHistory(lambda metadata: entries.append(Entry.of(f"2026013100000{len(entries):04}", metadata)))
    history.start("a", "b", "c")
    history.batch({"a": 3, "b": 2})
    history.batch({"a": 1, "b": 0}, drained=["b"])
    history.rewrite(5)
    shards = {each.shard: each for each in shards_of(entries[-1].position, entries)}
    assert (shards["a"].position, shards["a"].lag_ms) == ("AFTER 4", 0)
    assert (shards["b"].position, shards["b"].is_drained) == ("DRAINED", True)
    assert (shards["c"].position, shards["c"].lag_ms, shards["c"].as_of) == ("TRIM_HORIZON", None, None)
    # Open ones first.
    assert [each.shard for each in shards_of(entries[-1].position, entries)] == ["a", "c", "b"]


def test_as_json_it_has_all_of_it() -> None:
    found = overview(batch(10, 5, 2.0)).to_dict()
    assert (found["state"], found["lock"]["holder"]["process"], found["dead_letters"]) == (
        "running",
        42,
        {"WRONG_TYPE": 3},
    )
    assert found["commits"][0]["freshness"] == {"p50_seconds": 1.0, "p99_seconds": 2.0, "max_seconds": 3.0}
    assert found["commits"][0]["at"] == "2026-01-31T11:59:50.000Z"
    assert found["records_per_second"] == {"1m": 0.5, "5m": 0.5, "15m": 0.5}
