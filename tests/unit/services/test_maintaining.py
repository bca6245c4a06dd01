"""When services are planned, carried out, tried again and warned of; Hudi itself is in tests/spark/services."""

import logging
import time
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.history.counts import BatchCounts
from streamjoin.hudi.services.client import Planned
from streamjoin.hudi.table import HudiTable
from streamjoin.services import maintain as maintaining
from streamjoin.services import table_services
from streamjoin.services.carrying_out import Done
from streamjoin.services.maintain import Maintained, maintain
from streamjoin.services.table_services import TableServices
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.signals import StopRequest

NOW = 1_790_000_000.0


class FakeClient:
    """Hudi, as far as the timeline shows it."""

    plans: list[Planned | None] = []  # noqa: RUF012  (set by each test)
    asked: list[str] = []  # noqa: RUF012

    def __init__(self, spark, table):
        self.meta = Path(table.base_path, ".hoodie")

    def plan_compaction(self, *, goes_on=False):
        self.asked.append("further plan" if goes_on else "plan")
        found = self.plans.pop(0)
        if isinstance(found, SinkError):
            raise found
        if found is not None:
            (self.meta / f"{found.instant}.compaction.requested").touch()
        return found

    def archive(self):
        self.asked.append("archive")


class FakeSpark:
    sparkContext = property(lambda self: self)

    def setLocalProperty(self, *pool):
        assert pool == ("spark.scheduler.pool", "services")


def instant(age_seconds: float = 0.0) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(NOW - age_seconds)) + "000"


@pytest.fixture
def hudi(monkeypatch, tmp_path):
    """Return a table, and make services of it those of a fake."""
    (tmp_path / ".hoodie").mkdir()
    FakeClient.plans, FakeClient.asked = [], []

    def carry_out(spark, table, check, *, cleans=True):
        for plan in (tmp_path / ".hoodie").glob("*.compaction.requested"):
            (tmp_path / ".hoodie" / f"{plan.name.split('.')[0]}.commit").touch()
        return Done(compacted=1, seconds={"compaction": 2.0})

    monkeypatch.setattr(table_services, "ServiceClient", FakeClient)
    monkeypatch.setattr(table_services, "carry_out", carry_out)
    options = {"hoodie.compact.inline.max.delta.commits": "3", "hoodie.clean.max.commits": "100"}
    return HudiTable(str(tmp_path), "t", ("id",), "o", (), "MERGE_ON_READ", options=options, served_by="job")


def commit(table: HudiTable, number: int) -> None:
    Path(table.base_path, ".hoodie", f"2999010100000{number:04}.deltacommit").touch()


def test_a_plan_that_is_not_whole_is_followed_by_a_further_one_after_the_next_commit(hudi):
    FakeClient.plans = [Planned("29990101000000500", is_whole=False), Planned("29990101000000600", is_whole=True)]
    services, seconds = TableServices(hudi, job="j"), {}
    for number in range(6):
        commit(hudi, number)
        services.after_commit(FakeSpark())
        services.finish()
        seconds |= services.take_seconds()
    assert FakeClient.asked == ["plan", "further plan"]
    assert seconds["beside.compaction"] == 2.0
    assert set(seconds) == {"waited.planning", "beside.compaction"}
    assert services.take_seconds() == {}


def test_with_maintain_the_job_plans_alone_and_warns_of_a_plan_that_nobody_carries_out(hudi, caplog):
    table = HudiTable(**{**vars(hudi), "served_by": "maintain"})
    services = TableServices(table, job="j", clock=lambda: NOW)
    (Path(table.base_path, ".hoodie") / f"{instant(299)}.compaction.requested").touch()
    for number in range(3):
        commit(table, number)
        services.after_commit(FakeSpark())
    assert not caplog.records
    (Path(table.base_path, ".hoodie") / f"{instant(900)}.compaction.requested").touch()
    for number in range(3, 6):
        commit(table, number)
        services.after_commit(FakeSpark())
    (warning,) = caplog.messages
    assert f"compaction {instant(900)} waits for 900 s" in warning
    assert "run `streamjoin maintain` beside this job" in warning
    assert services.take_seconds() == {}


def test_a_service_that_fails_is_warned_of_and_no_batch_fails_by_it(hudi, caplog):
    FakeClient.plans = [SinkError("table 't': its compaction failed", retryable=True), None]
    services = TableServices(hudi, job="j")
    for number in range(4):
        commit(hudi, number)
        services.after_commit(FakeSpark())
    assert [message for message in caplog.messages if "its compaction failed" in message]
    assert FakeClient.asked == ["plan", "plan"]


def test_a_table_that_hudi_serves_within_its_commits_is_left_alone(hudi):
    services = TableServices(HudiTable(**{**vars(hudi), "served_by": "commit"}), job="j")
    for number in range(6):
        commit(hudi, number)
        services.after_commit(FakeSpark())
    assert FakeClient.asked == []


def test_maintain_ends_with_the_step_in_hand_and_tries_again_what_may_pass(hudi, monkeypatch, caplog):
    stop, rounds = StopRequest(), []
    monkeypatch.setattr(stop, "wait", rounds.append)
    answers = [SinkError("S3 is away", retryable=True), Done(cleaned=2, seconds={"cleaning": 1.0}), Done()]

    def see_to(*args, **options):
        answer = answers.pop(0)
        if not answers:
            stop.make()
        if isinstance(answer, SinkError):
            raise answer
        return answer

    monkeypatch.setattr(maintaining, "see_to", see_to)
    with caplog.at_level(logging.INFO):
        done = maintain(None, lambda: [Maintained(hudi)], stop, job="j", every_seconds=7)
    assert str(done[hudi.base_path]) == "cleaned 2 files in 1.0 s"
    assert rounds == [7, 7, 7]
    assert "S3 is away; it is tried again in 7 s" in caplog.text


def test_one_round_fails_by_what_fails(hudi, monkeypatch):
    def see_to(*args, **options):
        raise SinkError("S3 is away", retryable=True)

    monkeypatch.setattr(maintaining, "see_to", see_to)
    with pytest.raises(SinkError, match="S3 is away"):
        maintain(None, lambda: [Maintained(hudi)], StopRequest(), job="j", every_seconds=None)


def test_what_was_done_is_said_in_words():
    assert str(Done()) == "nothing to do"
    assert str(Done(1, 2, 3, {"compaction": 1.0, "cleaning": 0.25})) == (
        "compacted 1 file, joined 2 files, cleaned 3 files in 1.2 s"
    )


def test_the_line_of_a_batch_names_the_services_that_ran_and_no_others():
    def line(services):
        return BatchReport(
            job="j",
            batch_id="b",
            counts=BatchCounts(),
            services=services,
            millis_behind_latest=0,
            seconds=1,
            fetch_seconds=0,
        ).line()

    assert "_seconds." not in line({})
    assert "waited_seconds.planning=0.12 lag_ms" in line({"beside.compaction": 3.5, "waited.planning": 0.12})
    assert "beside_seconds.compaction.orders=3.50" in line({"beside.compaction.orders": 3.5})
