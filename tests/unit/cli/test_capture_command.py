import importlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from streamjoin import entry
from streamjoin.cli import app
from streamjoin.entry import load_job, run_job
from streamjoin.errors import ConfigError, SinkError
from streamjoin.letters.redrive import RedriveReport
from streamjoin.process import ExitCode, exit_code_of

ROOT = Path(__file__).resolve().parents[3]
CAPTURE = str(ROOT / "conf" / "capture_orders.yaml")
MANY = str(ROOT / "conf" / "capture_receipts.yaml")
BACKFILL = str(ROOT / "conf" / "backfill_receipts.yaml")
ENRICH = str(ROOT / "conf" / "enrich_orders.yaml")


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def started(monkeypatch):
    """Return which job was started with what."""
    calls = []
    for name in ("capture", "backfill"):
        pipeline = importlib.import_module(f"streamjoin.{name}.pipeline")

        def run(config, **options):
            calls.append((config.name, options))
            return SimpleNamespace(batches=1, records=2, caught_up=True)

        monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(entry, "configure_logging", lambda **_: None)
    return calls


def test_a_capture_is_run_with_the_options(started):
    answer = invoke("run", CAPTURE, "--until-caught-up", "--max-batches", "3")
    assert answer.exit_code == 0, answer.output
    assert started == [("orders-capture", {"until_caught_up": True, "max_batches": 3})]


def test_a_backfill_ends_by_itself_whether_told_so_or_not(started):
    for options in ([], ["--until-caught-up"]):
        assert invoke("run", BACKFILL, *options).exit_code == 0
    assert started == [("receipts-backfill", {})] * 2


@pytest.mark.parametrize(
    ("config", "options", "refusal"),
    [
        (CAPTURE, {"reload": True}, "--reload: allowed with job: replicate only; found job: capture"),
        (BACKFILL, {"reload": True}, "--reload: allowed with job: replicate only; found job: backfill"),
        (BACKFILL, {"max_batches": 3}, "--max-batches: found with job: backfill, which ends by itself; leave it out"),
    ],
)
def test_an_option_without_a_meaning_is_refused(started, config, options, refusal):
    with pytest.raises(ConfigError, match=refusal):
        run_job(config, **options)
    assert started == []


def test_the_script_of_one_job_refuses_the_others():
    with pytest.raises(ConfigError, match="found 'backfill'; expected here: capture"):
        run_job(BACKFILL, job="capture")
    with pytest.raises(ConfigError, match="found 'capture'; expected here: backfill"):
        run_job(CAPTURE, job="backfill")
    with pytest.raises(ConfigError, match="found 'enrich'; expected here: backfill"):
        run_job(ENRICH, job="backfill")


@pytest.mark.parametrize("name", ["capture_orders", "capture_receipts", "backfill_receipts"])
def test_the_configurations_that_come_with_the_project_are_valid_wherever_the_lake_is(name):
    path = ROOT / "conf" / f"{name}.yaml"
    assert f"{path}: valid. Job '" in invoke("validate", str(path)).output
    config = load_job(path, {"LAKE": "s3://bucket/lake"})
    assert config.tables[0].sink.hudi.base_path.startswith("s3://bucket/lake/")


def test_a_backfilled_table_is_what_the_template_of_the_capture_would_make_of_it():
    table, (_, template) = load_job(BACKFILL, {}).tables[0], load_job(MANY, {}).tables
    made = template.for_table("receipts")
    assert (table.layout, table.sink.hudi.base_path) == (made.layout, made.sink.hudi.base_path)
    assert (table.sink.hudi.database, table.sink.hudi.table_name) == (made.sink.hudi.database, "receipts_changes")
    assert list(table.fixed_partition) == [partition.name for partition in made.sink.hudi.partition_by]


@pytest.mark.parametrize("job", ["capture", "backfill"])
def test_the_schema_of_either_job_is_json(job):
    assert "tables" in json.loads(invoke("schema", "--job", job).output)["required"]


@pytest.mark.parametrize(
    "command", [["checkpoint", "show"], ["checkpoint", "set", "--latest"], ["verify"], ["dead-letters", "redrive"]]
)
def test_a_command_that_needs_a_position_refuses_a_backfill_and_says_why(command, capsys):
    first, *options = command
    words = [first, *options[:1], BACKFILL, *options[1:]] if options else [first, BACKFILL]
    assert exit_code_of(lambda: invoke(*words)) is ExitCode.CONFIG
    told = capsys.readouterr().err
    assert "job: found 'backfill', which has no position in a stream: it goes on where it stopped by itself" in told


@pytest.mark.parametrize("config", [CAPTURE, BACKFILL])
def test_dead_letters_of_either_job_are_listed(config, monkeypatch, tmp_path):
    monkeypatch.setenv("LAKE", str(tmp_path))
    assert "In all: 0" in invoke("dead-letters", "list", config).output


def test_each_form_of_the_list_has_the_counts_by_reason_those_beyond_the_limit_too(monkeypatch):
    listing = importlib.import_module("streamjoin.letters.listing")
    monkeypatch.setattr(
        listing, "list_letters", lambda *_, **__: pa.table({"reason": ["TOO_LARGE"], "data_bytes": [7]})
    )
    monkeypatch.setattr(listing, "count_by_reason", lambda *_: {"WRONG_TYPE": 3, "TOO_LARGE": 1})
    said = "In all: 4 (1 TOO_LARGE, 3 WRONG_TYPE)\n"
    assert invoke("dead-letters", "list", CAPTURE, "--limit", "1").stdout.endswith(said)
    assert json.loads(invoke("dead-letters", "list", CAPTURE, "--format", "json").stdout) == {
        "total": 4,
        "by_reason": {"WRONG_TYPE": 3, "TOO_LARGE": 1},
        "dead_letters": [{"reason": "TOO_LARGE", "data_bytes": 7}],
    }
    listed = invoke("dead-letters", "list", CAPTURE, "--format", "csv")
    assert (listed.stdout.splitlines(), listed.stderr) == (["reason,data_bytes", "TOO_LARGE,7"], said)


def test_dead_letters_of_a_capture_are_fed_in_again_by_its_own_redrive(monkeypatch):
    calls = []
    pipeline = importlib.import_module("streamjoin.capture.redrive")

    def redrive(config, letters):
        calls.append((config.name, letters.reasons))
        return RedriveReport({"UNLISTED_TABLE": 3}, {"NOT_A_CHANGE": 1}, 2)

    monkeypatch.setattr(pipeline, "run_redrive", redrive)
    monkeypatch.setattr(entry, "configure_logging", lambda **_: None)
    told = invoke("dead-letters", "redrive", CAPTURE, "--reason", "UNLISTED_TABLE").output
    assert calls == [("orders-capture", ("UNLISTED_TABLE",))]
    assert told.splitlines() == [
        "Fed in again: 4 dead letters",
        "Re-driven: 3 (3 UNLISTED_TABLE)",
        "Still rejected, and left as they are: 1 (1 NOT_A_CHANGE)",
        "Of a batch that was not committed, left to the job's next start: 2",
    ]


@pytest.mark.parametrize(("config", "table"), [(CAPTURE, "shop/orders"), (BACKFILL, "finance/changes/receipts")])
def test_a_query_before_the_first_commit_names_the_table(config, table, monkeypatch, tmp_path):
    monkeypatch.setenv("LAKE", str(tmp_path))
    with pytest.raises(SinkError, match=f"no Hudi table at '{tmp_path}/{table}'"):
        invoke("query", config, "SELECT 1")


def test_a_position_is_shown_and_not_set_before_the_first_start(monkeypatch, tmp_path):
    monkeypatch.setenv("LAKE", str(tmp_path))
    found = json.loads(invoke("checkpoint", "show", CAPTURE, "--format", "json").output)
    assert (found["journal"], found["position"]) == (f"{tmp_path}/shop/dead_letters_journal", None)
    with pytest.raises(SinkError, match=r"no journal at .* the job's first start begins at the starting_position"):
        invoke("checkpoint", "set", CAPTURE, "--trim-horizon", "--yes")
    assert not any(tmp_path.iterdir())
