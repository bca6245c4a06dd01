import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from streamjoin import entry
from streamjoin.cli import app
from streamjoin.entry import run_job, run_script
from streamjoin.errors import ConfigError
from streamjoin.process import ExitCode, exit_code_of

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
    monkeypatch.setattr(entry, "configure_logging", lambda: None)
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


@pytest.mark.parametrize(
    "command", [["checkpoint", "show"], ["verify"], ["dead-letters", "list"], ["dead-letters", "redrive"]]
)
def test_a_command_that_needs_a_hudi_table_refuses_the_job(command):
    assert (
        exit_code_of(lambda: CliRunner().invoke(app, [*command, REPLICATE], catch_exceptions=False)) is ExitCode.CONFIG
    )


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
