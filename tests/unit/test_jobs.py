import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).resolve().parents[2] / "jobs"
# Script -> the function that it hands its configuration to.
SCRIPTS = {
    JOBS / "enrich_stream.py": "run_enrich",
    JOBS / "capture_stream.py": "run_capture",
    JOBS / "backfill.py": "run_backfill",
    JOBS / "replicate.py": "run_replicate",
}

# What Glue puts on the command line of a streaming job besides the job's own arguments.
GLUE_ARGUMENTS = [
    "--JOB_NAME",
    "orders",
    "--JOB_ID",
    "j_1",
    "--JOB_RUN_ID",
    "jr_1",
    "--job-bookmark-option",
    "job-bookmark-disable",
    "--TempDir",
    "s3://bucket/temporary/",
    "--extra-py-files",
    "s3://bucket/streamjoin.whl",
    "--enable-metrics",
    "true",
    "--datalake-formats",
    "hudi",
]


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request):
    return request.param


@pytest.fixture
def job(script):
    spec = importlib.util.spec_from_file_location(f"{script.stem}_script", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def without_awsglue(job, monkeypatch):
    find = job.importlib.util.find_spec
    monkeypatch.setattr(job.importlib.util, "find_spec", lambda name: None if name == "awsglue" else find(name))


def test_every_script_is_tried():
    assert sorted(JOBS.glob("*.py")) == sorted(SCRIPTS)


def test_the_script_is_thin(script):
    assert len(script.read_text().splitlines()) < 40


def test_glue_arguments_are_read_with_the_libraries_of_glue(job, script):
    assert "awsglue.utils" not in dir(job)
    found = job.config_of([str(script), *GLUE_ARGUMENTS, "--config", "s3://bucket/conf/orders.yaml"])
    assert found == "s3://bucket/conf/orders.yaml"
    assert "awsglue.utils" in sys.modules


def test_glue_refuses_a_run_without_a_configuration(job, script):
    from awsglue.utils import GlueArgumentError  # noqa: PLC0415

    with pytest.raises(GlueArgumentError, match="--config"):
        job.config_of([str(script), *GLUE_ARGUMENTS])


@pytest.mark.usefixtures("without_awsglue")
@pytest.mark.parametrize("others", [[], GLUE_ARGUMENTS])
def test_elsewhere_the_same_arguments_are_read_without_them(job, script, others):
    assert job.config_of([str(script), *others, "--config", "conf/orders.yaml"]) == "conf/orders.yaml"


@pytest.mark.usefixtures("without_awsglue")
def test_elsewhere_a_run_without_a_configuration_is_wrong_usage(job, script, capsys):
    with pytest.raises(SystemExit) as end:
        job.config_of([str(script), "--JOB_NAME", "orders"])
    assert end.value.code == 2
    assert "--config" in capsys.readouterr().err


def run_as_script(script, tmp_path, text):
    """Run the job file as Glue does, with the function of `streamjoin.entry` that it calls replaced by `text`."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import runpy, sys\n"
        "import streamjoin.entry as entry\n"
        "from streamjoin.errors import ConfigError, SinkError\n"
        f"def run(config):\n    {text}\n"
        f"entry.{SCRIPTS[script]} = run\n"
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
    command = [sys.executable, str(script), "--config", str(tmp_path / "none.yaml")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert "none.yaml" in answer.stderr
    assert "Traceback" not in answer.stderr
