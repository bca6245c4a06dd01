"""What a replication is made of before it begins."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from streamjoin.entry import parse_job
from streamjoin.errors import SourceError
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate import job as replication_job
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.job import assemble, assembled
from tests.faults.items import FakeTables
from tests.faults.replication import Pauses
from tests.unit.dms.rules import file_of, mapping, selection, source


class FakeServer:
    """A server without tables."""

    folds = False
    refusals: ClassVar[list[SourceError]] = []

    def __init__(self, address: object) -> None:
        self.selects: Any = None

    def folds_case(self) -> bool:
        if self.refusals:
            raise self.refusals.pop()
        return self.folds

    def has_table(self, schema: str, name: str) -> bool:
        return (schema, name) in self.table_names()

    def table_names(self) -> list[tuple[str, str]]:
        return [("shop", "person")]

    def preflight(self, selects: Any, requires: Any, wanted: Any, *, may_have_none: bool) -> None:
        self.selects = selects
        if not selects("shop", "person") and not may_have_none:
            raise SourceError("no selected table is to be seen")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplicateConfig:
    monkeypatch.setattr(replication_job, "MysqlServer", FakeServer)
    monkeypatch.setattr(replication_job, "aws_client", lambda *_: FakeTables())
    path = tmp_path / "mappings.json"
    path.write_text(file_of(selection("SHOP", "PERSON"), {
        **mapping(), "object-locator": {"schema-name": "SHOP", "table-name": "PERSON"},
    }))  # fmt: skip
    mysql = {"host": "h", "user": "u", "password": "p"}
    found = parse_job({"job": "replicate", "name": "n", "source": {"mysql": mysql}, "table_mappings": str(path)})
    assert isinstance(found, ReplicateConfig)
    return found


def test_rules_find_tables_of_a_server_without_case_however_they_are_spelled(
    config: ReplicateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeServer, "folds", True)
    job = assemble(config)
    job.control.acquire()
    routes = job.routes
    assert routes.selects("shop", "person")
    assert routes.mapping(source()).target_table == "people"


def test_rules_have_case_if_the_servers_names_have(config: ReplicateConfig, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SourceError, match="no selected table"):
        assemble(config)
    expected = "rule 1 means no table, because of case: it has 'SHOP.PERSON', and the server 'shop.person'"
    assert expected in caplog.text


def test_a_job_that_ran_before_may_have_no_table_left(config: ReplicateConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = FakeTables()
    monkeypatch.setattr(replication_job, "aws_client", lambda *_: tables)
    with monkeypatch.context() as folding:
        folding.setattr(FakeServer, "folds", True)
        job = assemble(config)
    job.control.acquire()
    with pytest.raises(SourceError, match="no selected table"):
        assemble(config)
    job.control.save(ControlState(BinlogPosition("binlog.000001", 4), 1, "a"))
    assert assemble(config).name == "n"


def test_a_server_that_is_away_at_the_start_is_tried_again(
    config: ReplicateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeServer, "folds", True)
    stop = Pauses()
    FakeServer.refusals[:] = [SourceError("gone away", retryable=True)] * 3
    assert assembled(config, stop).name == "n"
    assert stop.seconds == [1.0, 2.0, 4.0]
    FakeServer.refusals[:] = [SourceError("denied")]
    with pytest.raises(SourceError, match="denied"):
        assembled(config, stop)
    assert len(stop.seconds) == 3
