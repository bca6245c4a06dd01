"""`streamjoin catalog sync`: of which files, what it says, and how it ends."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from streamjoin.catalog import sync as syncing
from streamjoin.catalog.sync import Change
from streamjoin.cli import app
from streamjoin.errors import ConfigError, SinkError
from tests.unit.conftest import EXAMPLE, example

CONF = Path(__file__).resolve().parents[3] / "conf"
ENTERED = {
    "sink.hudi.catalog": "glue",
    "sink.hudi.base_path": "s3://bucket/lake/orders",
    "dead_letters": {"base_path": "s3://bucket/lake/letters", "catalog": "glue"},
}


@pytest.fixture
def mended(monkeypatch):
    """Return what each table is given back, by its name."""
    answers = {}

    class Mending:
        def __init__(self, table, catalog):
            self.table = table
            assert catalog.tell is not None

        def mend(self):
            answer = answers.get(self.table.table_name)
            if isinstance(answer, SinkError):
                raise answer
            return answer

    monkeypatch.setattr(syncing, "TableSync", Mending)
    return answers


def invoke(tmp_path, changes=ENTERED, base=EXAMPLE):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(example(changes, base)))
    return CliRunner().invoke(app, ["catalog", "sync", str(path)])


def test_it_says_what_it_changed_of_each_table(mended, tmp_path):
    mended["orders"] = [Change("sales.orders", ["column note string added"]), Change("sales.orders_tombstones")]
    answer = invoke(tmp_path)
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        "sales.orders: column note string added",
        "sales.orders_tombstones: as it should be",
        "default.orders_dead_letters: no table with a commit is at s3://bucket/lake/letters yet",
    ]


def test_what_fails_does_not_keep_the_others_from_being_mended(mended, tmp_path):
    mended["orders"] = SinkError("catalog: 'sales.orders': GetTable was denied.")
    mended["orders_dead_letters"] = [Change("default.orders_dead_letters")]
    answer = invoke(tmp_path)
    assert answer.output.splitlines() == ["default.orders_dead_letters: as it should be"]
    assert isinstance(answer.exception, SinkError)
    assert str(answer.exception) == "catalog: 'sales.orders': GetTable was denied."


def test_where_there_is_no_table_it_fails(mended, tmp_path):
    assert isinstance(invoke(tmp_path).exception, SinkError)


def test_a_file_without_such_a_table_is_a_wrong_configuration(tmp_path):
    answer = invoke(tmp_path, {})
    assert isinstance(answer.exception, ConfigError)
    assert "catalog: found none for every table of the job; set catalog: glue" in str(answer.exception)
    replicate = CliRunner().invoke(app, ["catalog", "sync", str(CONF / "replicate_country.yaml")])
    assert isinstance(replicate.exception, ConfigError)
    assert "found 'replicate', which writes DynamoDB tables and no Hudi table" in str(replicate.exception)
