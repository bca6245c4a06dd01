import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from awsglue.utils import getResolvedOptions

from streamjoin.script import job_arguments, run_script
from tests.e2e.glue_launch import GLUE_ARGUMENTS, as_argv

JOBS = Path(__file__).resolve().parents[2] / "jobs"
# Script -> the job that it runs.
SCRIPTS = {
    JOBS / "enrich_stream.py": "enrich",
    JOBS / "enrich_from_catalog.py": "enrich",
    JOBS / "capture_stream.py": "capture",
    JOBS / "backfill.py": "backfill",
    JOBS / "replicate.py": "replicate",
}


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request):
    return request.param


@pytest.fixture
def without_awsglue(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "awsglue" else find(name))


def test_every_script_is_tried():
    assert sorted(JOBS.glob("*.py")) == sorted(SCRIPTS)


def test_the_script_is_thin(script):
    assert len(script.read_text().splitlines()) < 15


def config_of(script, arguments):
    return job_arguments([str(script), *arguments], "config")["config"]


@pytest.mark.parametrize("others", [[], as_argv(GLUE_ARGUMENTS)], ids=["alone", "glue"])
@pytest.mark.parametrize("form", [["--config", "conf/orders.yaml"], ["--config=conf/orders.yaml"]])
def test_the_configuration_is_found_wherever_it_stands_among_the_arguments(script, others, form):
    assert config_of(script, [*form, *others]) == "conf/orders.yaml"
    assert config_of(script, [*others, *form]) == "conf/orders.yaml"


def test_the_settings_for_spark_that_a_glue_job_has_are_not_taken_for_the_configuration(script):
    settings = ["--conf", "spark.serializer=org.apache.spark.serializer.KryoSerializer --conf spark.task.maxFailures=8"]
    assert config_of(script, ["--config", "s3://bucket/orders.yaml", *settings]) == "s3://bucket/orders.yaml"
    assert config_of(script, ["--config", "s3://bucket/orders.yaml", "=".join(settings)]) == "s3://bucket/orders.yaml"
    # Glue's own parser takes the one for a short form of the other.
    found = getResolvedOptions([str(script), "--config", "s3://bucket/orders.yaml", *settings], ["config"])
    assert found["config"] == settings[1]


@pytest.mark.parametrize("arguments", [as_argv(GLUE_ARGUMENTS), ["--JOB_NAME", "orders"], ["--conf", "orders.yaml"]])
def test_a_run_without_a_configuration_is_wrong_usage(script, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        config_of(script, arguments)
    assert end.value.code == 2
    assert "--config" in capsys.readouterr().err


def run_as_script(script, tmp_path, text):
    """Run the job file as Glue does, with what runs a job replaced by `text`."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import runpy, sys\n"
        "import streamjoin.script as script\n"
        "from streamjoin.errors import ConfigError, SinkError\n"
        f"def run(config, job):\n    assert job == {SCRIPTS[script]!r}\n    {text}\n"
        "script.run_job = run\n"
        "script._run_from_catalog = lambda arguments: run(script._config(arguments), 'enrich')\n"
        f"sys.argv = [{str(script)!r}, '--JOB_NAME', 'orders', '--config', 'job.yaml']\n"
        "try:\n"
        f"    runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print('SystemExit', end.code)\n"
        "else:\n"
        "    print('returned')\n"
    )
    return subprocess.run([sys.executable, str(starter)], capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("assert config == 'job.yaml'", "returned"),
        ("raise ConfigError(['name: missing'])", "SystemExit 2"),
        ("raise SinkError('no table')", "SystemExit 1"),
    ],
)
def test_a_failed_run_exits_with_its_code_and_a_good_one_just_ends(script, tmp_path, text, outcome):
    assert run_as_script(script, tmp_path, text).stdout.splitlines()[-1] == outcome


def test_a_missing_configuration_file_fails_the_script(script, tmp_path):
    command = [sys.executable, str(script), *as_argv(GLUE_ARGUMENTS), "--config", str(tmp_path / "none.yaml")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert "none.yaml" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_script_of_glues_own_source_hands_over_glue_and_a_checkpoint_below_its_temporary_place(
    tmp_path, monkeypatch
):
    import awsglue.context  # noqa: PLC0415
    import pyspark  # noqa: PLC0415

    from streamjoin.enrich import from_catalog  # noqa: PLC0415

    config = tmp_path / "orders.yaml"
    config.write_text((JOBS.parent / "conf" / "enrich_orders.yaml").read_text())
    given = []
    monkeypatch.setattr(pyspark.SparkContext, "getOrCreate", lambda: "spark")
    monkeypatch.setattr(awsglue.context, "GlueContext", lambda spark: f"glue of {spark}")
    monkeypatch.setattr(from_catalog, "run", lambda *arguments: given.append(arguments))
    arguments = ["enrich_from_catalog.py", *as_argv(GLUE_ARGUMENTS), "--config", str(config)]
    run_script("enrich", arguments, from_catalog=True)
    ((settings, glue, checkpoint),) = given
    assert (settings.job, glue) == ("enrich", "glue of spark")
    assert checkpoint == "s3://bucket/temporary/orders/checkpoint/"


@pytest.mark.usefixtures("without_awsglue")
def test_glues_own_source_is_refused_where_glue_is_not(capsys):
    with pytest.raises(SystemExit) as end:
        run_script("enrich", ["enrich_from_catalog.py", "--config", "x.yaml"], from_catalog=True)
    assert end.value.code == 1
    assert "run jobs/enrich_stream.py" in capsys.readouterr().err
