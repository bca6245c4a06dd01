import io
import json
import os
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from botocore.exceptions import ClientError
from rich.console import Console

from streamjoin.dms import SourceColumn, SourceTable, TableMappings
from streamjoin.dms.source_table import ColumnKind
from streamjoin.entry import load_job
from streamjoin.errors import ConfigError, StreamJoinError
from streamjoin.local import mariadb, mariadb_program
from streamjoin.local.demo import reference_origin, stage
from streamjoin.local.demo.enrich import demo
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.demo.reference_origin import (
    MAPPINGS,
    PASSWORD_VARIABLE,
    MySqlOrigin,
    count_items,
    start_server,
)
from streamjoin.local.demo.stage import Stage
from streamjoin.local.mariadb_program import MariaDbProgram
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, COUNTRY_ROWS
from streamjoin.replicate.config import ReplicateConfig

PASSWORD = "secret-of-the-server"  # noqa: S105


class FakeServer:
    """Notes statements instead of running them."""

    system = "MySQL"
    host, port, user, password = "127.0.0.1", 3307, "streamjoin", PASSWORD

    def __init__(self):
        self.statements = []

    def execute(self, sql, arguments=()):
        self.statements.append((sql.split(maxsplit=1)[0], arguments))


@pytest.fixture
def server():
    return FakeServer()


def stage_in(directory):
    return Stage(narrator(), MagicMock(environ=lambda: {"HOME": "/"}), directory, "/lake")


@pytest.fixture
def origin(server, tmp_path):
    return MySqlOrigin(server, stage_in(tmp_path), "names")


def narrator():
    return Narrator(Console(file=io.StringIO(), width=200), 1)


def test_the_rows_are_made_and_the_job_is_a_valid_one_without_the_password_in_it(origin, server, tmp_path, monkeypatch):
    assert origin.create() == len(COUNTRY_ROWS)
    assert [verb for verb, _ in server.statements] == ["CREATE", "CREATE"] + ["INSERT"] * len(COUNTRY_ROWS)
    assert PASSWORD not in "".join(path.read_text() for path in tmp_path.iterdir())
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    config = load_job(str(tmp_path / "replicate.yaml"))
    assert isinstance(config, ReplicateConfig)
    assert config.source.mysql.password.get_secret_value() == PASSWORD


def test_the_story_has_the_servers_own_name(origin):
    assert (origin.system, origin.place) == ("MySQL", "in MySQL the table 'sales.country_lookup_table'")
    assert origin.change == "four UPDATEs and an INSERT in MySQL: names"


def test_its_table_mappings_lead_to_the_table_that_the_demo_reads():
    columns = tuple(SourceColumn(name, ColumnKind.TEXT, "varchar") for name in COUNTRY_ROWS[0])
    table = SourceTable("sales", "country_lookup_table", columns, ("code", "countryname"))
    mapping = TableMappings.parse(json.dumps(MAPPINGS), "demo").for_table(table)
    assert mapping.target_table == COUNTRY_REFERENCE.name
    assert mapping.key_types == COUNTRY_REFERENCE.keys
    assert mapping.item(COUNTRY_ROWS[0]) == {name: {"S": value} for name, value in COUNTRY_ROWS[0].items()}


def test_the_change_is_four_updates_and_an_insert(origin, server):
    assert origin.change_rows() == 5
    assert sorted(verb for verb, _ in server.statements) == ["INSERT", *["UPDATE"] * 4]
    assert ("UPDATE", ("IN-IND-India", "IN")) in server.statements


class FakeJob:
    """A job that runs, or has ended."""

    ended = False

    def __init__(self, config, environ, log):
        assert yaml.safe_load(config.read_text())["job"] == "replicate"
        assert environ == {"HOME": "/", PASSWORD_VARIABLE: PASSWORD}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def check_running(self):
        if self.ended:
            raise StreamJoinError("the job ended")


def test_the_load_is_awaited(origin, monkeypatch):
    counts = iter([0, 3, len(COUNTRY_ROWS)])
    monkeypatch.setattr(stage, "JobProcess", FakeJob)
    monkeypatch.setattr(stage, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(reference_origin, "count_items", lambda table: next(counts))
    told = narrator()
    origin.create()
    origin.start(told)
    assert next(counts, None) is None
    assert f"✓ {len(COUNTRY_ROWS)} items" in told.console.file.getvalue()


@pytest.mark.parametrize(("ended", "said"), [(True, "the job ended"), (False, "has 3 items instead of 4")])
def test_a_load_that_does_not_come_is_an_error(origin, monkeypatch, ended, said):
    monkeypatch.setattr(stage, "JobProcess", FakeJob)
    monkeypatch.setattr(FakeJob, "ended", ended)
    monkeypatch.setattr(reference_origin, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(reference_origin, "count_items", lambda table: 3)
    origin.create()
    with pytest.raises(StreamJoinError, match=said):
        origin.start(narrator())


def test_a_table_that_is_not_there_yet_has_no_items(monkeypatch):
    class Client:
        code = "ResourceNotFoundException"

        def scan(self, **request):
            raise ClientError({"Error": {"Code": self.code}}, "Scan")

    monkeypatch.setattr(reference_origin, "aws_client", lambda service: Client())
    assert count_items("t") == 0
    monkeypatch.setattr(Client, "code", "AccessDeniedException")
    with pytest.raises(ClientError):
        count_items("t")


def test_fetching_the_server_is_told_of(monkeypatch, server):
    program = MariaDbProgram(Path("/cache/mariadbd"), Path("/cache"))

    def find(cache=None, report=print):
        report("Fetching MariaDB")
        return program

    @contextmanager
    def start(program):
        started.append(program)
        yield server

    started = []
    monkeypatch.setattr(mariadb_program, "find", find)
    monkeypatch.setattr(mariadb, "MariaDb", start)
    on = stage_in(Path("/nowhere"))
    assert start_server(on) is server
    assert started == [program]
    first, second, third = on.narrator.console.file.getvalue().splitlines()
    assert first.startswith("1/1 start MySQL or MariaDB")
    assert second == "    Fetching MariaDB"
    assert third.startswith("    ✓ MySQL at 127.0.0.1:3307")


def test_only_the_orders_have_a_table_in_mysql(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--with-mysql: found --dataset flights; allowed: orders"):
        demo(DatasetName.FLIGHTS, records=None, s3=False, with_mysql=True, console=Console(file=io.StringIO()))
    assert os.listdir(tmp_path) == []
