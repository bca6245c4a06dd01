"""`streamjoin doctor`: its exit codes, its table, its JSON and its lines."""

import json

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from streamjoin.cli import app
from streamjoin.cli.preflight import table_of
from streamjoin.doctor.checks import Check
from streamjoin.doctor.finding import bad, good, unknown
from streamjoin.doctor.lines import MARKS
from tests.unit.doctor.looking import enrichment

GOOD = good("stream 'orders'", "ACTIVE, 4 open shards")
BAD = bad("reference 'country'", "its table is gone", "Create it.")
UNKNOWN = unknown("IAM: stream 'orders'", "denied", "Allow iam:SimulatePrincipalPolicy to who runs the doctor.")


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    """Run the command on a job whose one check finds this."""
    file = tmp_path / "orders.yaml"
    file.write_text(yaml.safe_dump(enrichment()))

    def run(findings, *options):
        check = Check("source", "stream", ("enrich",), lambda context: iter(findings))
        monkeypatch.setattr("streamjoin.doctor.checks.CHECKS", [check])
        return CliRunner().invoke(app, ["doctor", str(file), *options])

    return run


def test_the_exit_code_is_1_if_anything_is_to_be_mended(invoke):
    assert invoke([GOOD, UNKNOWN]).exit_code == 0
    assert invoke([GOOD, BAD]).exit_code == 1
    assert invoke([GOOD, BAD], "--json").exit_code == 1


def test_a_wrong_configuration_is_told_before_anything_is_looked_at(invoke, tmp_path):
    (tmp_path / "orders.yaml").write_text("job: enrich")
    answer = invoke([GOOD])
    assert type(answer.exception).__name__ == "ConfigError"
    assert answer.stdout == ""


def test_what_is_no_terminal_gets_a_line_a_finding(invoke):
    assert invoke([GOOD, BAD, UNKNOWN]).stdout.splitlines() == [
        "✓ stream: stream 'orders': ACTIVE, 4 open shards",
        "✗ stream: reference 'country': its table is gone -> Create it.",
        f"{MARKS[UNKNOWN.status]} stream: IAM: stream 'orders': denied -> {UNKNOWN.remedy}",
        "1 good, 1 to mend, 1 can't be checked here",
    ]


def test_json_has_all_of_it(invoke):
    found = json.loads(invoke([GOOD, BAD], "--json").stdout)
    assert (found["name"], found["job"], found["good"]) == ("orders", "enrich", False)
    assert found["counts"] == {"good": 1, "bad": 1, "unknown": 0}
    assert found["findings"][1] == {
        "check": "stream",
        "status": "bad",
        "what": "reference 'country'",
        "found": "its table is gone",
        "remedy": "Create it.",
    }


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_to_the_terminal_and_shows_all(width):
    check = Check("source", "stream", ("enrich",), lambda context: iter(()))
    console = Console(width=width, record=True, force_terminal=True, file=open("/dev/null", "w"))
    console.print(table_of([(check, GOOD), (check, BAD), (check, UNKNOWN)], width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for word in ("✓", "✗", MARKS[UNKNOWN.status], "→ Create it.", "4 open shards", "iam:SimulatePrincipalPolicy"):
        assert word in text
