"""`streamjoin maintain`: of which files, how often, and what it says in the end."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamjoin.cli import app
from streamjoin.cli import maintenance as command
from streamjoin.errors import ConfigError
from streamjoin.services import maintain as maintaining
from streamjoin.services.carrying_out import Done
from streamjoin.spark import session

CONF = Path(__file__).resolve().parents[3] / "conf"


@pytest.fixture
def rounds(monkeypatch):
    """Return with what it was begun."""
    calls = []

    def maintain(spark, tables, stop, *, job, every_seconds):
        calls.append((job, every_seconds, [each.table.table_name for each in tables()]))
        return {each.table.base_path: Done() for each in tables()}

    monkeypatch.setattr(maintaining, "maintain", maintain)
    monkeypatch.setattr(session, "job_session", lambda name, *, s3: None)
    monkeypatch.setattr(command, "configure_logging", lambda **_: None)
    return calls


def invoke(name, *options):
    return CliRunner().invoke(app, ["maintain", str(CONF / name), *options], catch_exceptions=False)


def config_of(folder, name):
    """Return a copy of a configuration whose tables are in a folder of this machine."""
    path = folder / name
    path.write_text((CONF / name).read_text().replace("s3://", f"{folder}/"))
    return path


def test_it_sees_to_the_tables_of_an_enrichment_or_a_capture_and_says_what_was_done(rounds, tmp_path):
    answer = invoke(config_of(tmp_path, "enrich_orders.yaml"))
    assert answer.exit_code == 0, answer.output
    assert answer.output.endswith(": nothing to do\n")
    assert invoke(config_of(tmp_path, "capture_orders.yaml"), "--once").exit_code == 0
    assert invoke(config_of(tmp_path, "capture_orders.yaml"), "--every", "60").exit_code == 0
    assert [every for _, every, _ in rounds] == [10.0, None, 60.0]
    assert all(tables for _, _, tables in rounds)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("backfill_receipts.yaml", "found 'backfill', whose table is that of a capture: give the capture's file"),
        ("replicate_country.yaml", "found 'replicate', which writes DynamoDB tables and no Hudi table"),
    ],
)
def test_jobs_without_a_table_of_their_own_are_refused(rounds, name, why, monkeypatch):
    monkeypatch.setenv("MYSQL_PASSWORD", "x")
    with pytest.raises(ConfigError, match=why):
        invoke(name)
    assert rounds == []
