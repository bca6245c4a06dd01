import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from streamjoin import entry
from streamjoin.cli import app
from streamjoin.dms import ColumnKind, RowRejected, SourceColumn, SourceTable
from streamjoin.dms.rejected import RowRejectReason
from streamjoin.entry import run_job
from streamjoin.errors import ConfigError, SinkError
from streamjoin.mysql import BinlogPosition
from streamjoin.process import ExitCode, exit_code_of
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.job import version_of
from streamjoin.replicate.letters import LetterFolder, RejectedRow
from streamjoin.replicate.owners import Owners
from streamjoin.script import run_script
from tests.faults.items import FakeTables

ROOT = Path(__file__).resolve().parents[3]
REPLICATE = str(ROOT / "conf" / "replicate_country.yaml")
ENRICH = str(ROOT / "conf" / "enrich_orders.yaml")


@pytest.fixture
def started(monkeypatch):
    """Return what the job was started with."""
    calls = []
    pipeline = importlib.import_module("streamjoin.replicate.pipeline")

    def run(config, **options):
        calls.append((config.name, options))
        return SimpleNamespace(batches=1, records=2, caught_up=True)

    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(entry, "configure_logging", lambda **_: None)
    return calls


def test_the_job_of_the_file_is_run_with_the_options(started):
    answer = CliRunner().invoke(app, ["run", REPLICATE, "--until-caught-up", "--max-batches", "3", "--reload"])
    assert answer.exit_code == 0, answer.output
    assert started == [("country", {"until_caught_up": True, "max_batches": 3, "reload": True})]


def test_reload_is_refused_for_another_job():
    with pytest.raises(ConfigError, match="--reload: allowed with job: replicate only"):
        run_job(ENRICH, reload=True)


def test_the_script_of_one_job_refuses_the_other():
    with pytest.raises(ConfigError, match="found 'enrich'; expected here: replicate"):
        run_job(ENRICH, job="replicate")


@pytest.mark.parametrize("command", [["checkpoint", "set", "--latest"], ["dead-letters", "redrive"]])
def test_a_command_that_needs_a_hudi_table_refuses_the_job(command):
    assert (
        exit_code_of(lambda: CliRunner().invoke(app, [*command, REPLICATE], catch_exceptions=False)) is ExitCode.CONFIG
    )


@pytest.fixture
def tables(monkeypatch, tmp_path):
    """Return the tables that the job of CONFIG has, which keeps a control table and dead letters."""
    found = FakeTables({"streamjoin_replication": {"job": "S"}, "tgt_country_lookup_table": {"code": "S"}})
    for module in ("control_table", "verify"):
        monkeypatch.setattr(importlib.import_module(f"streamjoin.replicate.{module}"), "aws_client", lambda *_: found)
    return found


@pytest.fixture
def config(tmp_path):
    text = Path(REPLICATE).read_text().replace("dms/country_lookup.json", str(ROOT / "conf/dms/country_lookup.json"))
    letters = f"dead_letters: {{base_path: {tmp_path}/letters}}"
    (tmp_path / "job.yaml").write_text(re.sub("^dead_letters:(\n .*)*", letters, text, flags=re.MULTILINE))
    return str(tmp_path / "job.yaml")


def asked(*command):
    answer = CliRunner().invoke(app, command, catch_exceptions=False)
    return answer.exit_code, answer.output


def test_the_position_of_a_replication_is_shown_without_values_of_rows(config, tables):
    assert json.loads(asked("checkpoint", "show", config, "--format", "json")[1])["position"] is None
    control = ControlTable.of("country", "streamjoin_replication", tables)
    control.acquire()
    loading = {"sales.country": LoadProgress(("secret",), rows=7)}
    control.save(ControlState(BinlogPosition("binlog.000003", 7), 5, "mariadb:1", loading))
    code, output = asked("checkpoint", "show", config)
    assert code == 0
    for part in (
        "country",
        "phase: loading",
        "binlog.000003",
        "generation: 5",
        "rows: 7",
        "lease: job 'country' on host",
    ):
        assert part in output
    assert "secret" not in output
    del tables.tables["streamjoin_replication"]
    assert "position: none" in asked("checkpoint", "show", config)[1]


def test_dead_letters_of_a_replication_are_listed_and_counted(config, tmp_path):
    table = SourceTable("sales", "a/b", (SourceColumn("id", ColumnKind.INTEGER),), ("id",))
    rows = [({"id": 1}, RowRejectReason.EMPTY_KEY), ({"id": 2}, RowRejectReason.NOT_TEXT), ({"id": 3}, "EMPTY_KEY")]
    assert "In all: 0" in asked("dead-letters", "list", config)[1]
    rejected = [
        RejectedRow.of_load(
            table, row, BinlogPosition("b.1", 4), RowRejected(RowRejectReason(reason), "attribute 'id'")
        )
        for row, reason in rows
    ]
    LetterFolder(str(tmp_path / "letters")).write(rejected)
    output = asked("dead-letters", "list", config)[1]
    assert "In all: 3 (2 EMPTY_KEY, 1 NOT_TEXT)" in output
    assert "sales.a/b" in output
    listed = json.loads(asked("dead-letters", "list", config, "--format", "json", "--limit", "1", "--show-data")[1])
    assert (listed["total"], len(listed["dead_letters"])) == (3, 1)
    assert json.loads(listed["dead_letters"][0]["row"]).keys() == {"id"}
    assert (tmp_path / "letters" / listed["dead_letters"][0]["file"]).is_file()
    assert "In all: 1 (1 NOT_TEXT)" in asked("dead-letters", "list", config, "--reason", "NOT_TEXT")[1]
    assert "In all: 0" in asked("dead-letters", "list", config, "--until", "2020-01-01")[1]
    with pytest.raises(ConfigError, match="found 'NO_KEY'; allowed: MISSING_KEY, "):
        asked("dead-letters", "list", config, "--reason", "NO_KEY")
    (tmp_path / "letters" / "other.json").write_text("{}")
    with pytest.raises(SinkError, match=r"they can't be read \(KeyError"):
        asked("dead-letters", "list", config)
    Path(config).write_text(re.sub("^dead_letters.*$", "", Path(config).read_text(), flags=re.MULTILINE))
    with pytest.raises(ConfigError, match="dead_letters: not set"):
        asked("dead-letters", "list", config)


def test_verify_compares_the_control_table_with_the_items_of_the_targets(config, tables):
    with pytest.raises(SinkError, match="nothing to verify before a job's first start"):
        asked("verify", config)
    position = BinlogPosition("binlog.000003", 700)
    control = ControlTable.of("country", "streamjoin_replication", tables)
    control.acquire()
    control.save(ControlState(position, 5, "mariadb:1"))

    def write(key, generation, offset, **more):
        version = {"N": str(version_of(generation, BinlogPosition("binlog.000003", offset)))}
        item = {"code": {"S": key}, "_binlog": version, **more}
        tables.put_item(TableName="tgt_country_lookup_table", Item=item)

    write("a", 5, 700)
    write("b", 4, 900, _binlog_job={"S": "other"})
    tables.put_item(TableName="tgt_country_lookup_table", Item={"code": {"S": "c"}})
    code, output = asked("verify", config)
    assert code == 0
    assert "target 'tgt_country_lookup_table': 1 items of the job, 1 of other jobs, 1 of other programs" in output
    assert "not proved: that each row has its item" in output
    write("d", 5, 800)
    code, output = asked("verify", config)
    assert code == 0
    assert "1 items are newer than the position: of a batch whose position was not written yet" in output
    write("e", 4, 900)
    write("f", 6, 4)
    code, output = asked("verify", config, "--format", "json")
    assert code == 1
    report = json.loads(output)
    assert not report["holds"]
    assert [line.partition("': ")[2].partition(" (")[0] for line in report["violations"]] == [
        "1 items are older than the last full load",
        "1 items are of a later full load than the control table knows of",
    ]
    del tables.tables["tgt_country_lookup_table"]
    code, output = asked("verify", config)
    assert (code, "there is no such table; nothing was written to it yet" in output) == (0, True)
    Owners(tables, "streamjoin_replication", "country").own("tgt_country_lookup_table")
    code, output = asked("verify", config)
    assert (code, "there is no such table; start the job with --reload" in output) == (1, True)


def test_a_query_needs_a_hudi_table_too():
    code = exit_code_of(lambda: CliRunner().invoke(app, ["query", REPLICATE, "SELECT 1"], catch_exceptions=False))
    assert code is ExitCode.CONFIG


def test_a_good_configuration_is_valid_and_its_table_mappings_are_read(tmp_path):
    answer = CliRunner().invoke(app, ["validate", REPLICATE])
    assert "valid. Job 'country', server '127.0.0.1:3306'" in answer.output
    (tmp_path / "job.yaml").write_text(Path(REPLICATE).read_text().replace("dms/country_lookup.json", "no.json"))
    with pytest.raises(ConfigError, match=r"no\.json: 1 problem"):
        CliRunner().invoke(app, ["validate", str(tmp_path / "job.yaml")], catch_exceptions=False)


def test_the_script_starts_the_job(started):
    run_script("replicate", ["replicate.py", "--JOB_NAME", "country", "--config", REPLICATE])
    assert started == [("country", {"until_caught_up": False, "max_batches": None, "reload": False})]
