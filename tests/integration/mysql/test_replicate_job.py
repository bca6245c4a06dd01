"""The whole job on a real MariaDB server and DynamoDB tables of the emulator."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamjoin.entry import parse_job
from streamjoin.errors import SinkError
from streamjoin.history.stored_figures import together
from streamjoin.overview.state import State
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.load import LOAD_STEPS
from streamjoin.replicate.pipeline import STEPS, run
from streamjoin.replicate.status import status

KEY = "id"


class Died(BaseException):
    """The process died."""


class Replica:
    """A job of its own for a table `t` of a fresh database."""

    def __init__(self, database: Any, client: Any, folder: Path, name: str) -> None:
        self.database, self.client, self.target = database, client, name
        schema = database.name
        rules = [
            {
                "rule-type": "selection",
                "rule-id": "1",
                "rule-name": "t",
                "object-locator": {"schema-name": schema, "table-name": "t"},
                "rule-action": "include",
            },
            {
                "rule-type": "object-mapping",
                "rule-id": "2",
                "rule-name": "map t",
                "rule-action": "map-record-to-record",
                "object-locator": {"schema-name": schema, "table-name": "t"},
                "target-table-name": name,
                "mapping-parameters": {"partition-key-name": KEY},
            },
        ]
        (folder / "mappings.json").write_text(json.dumps({"rules": rules}))
        address = database.address
        config = parse_job(
            {
                "job": "replicate",
                "name": name,
                "source": {
                    "mysql": {
                        "host": address.host,
                        "port": address.port,
                        "user": address.user,
                        "password": address.password,
                    }
                },
                "table_mappings": str(folder / "mappings.json"),
                "target": {"dynamodb": {"region": "us-east-1", "control_table": f"{name}_control"}},
                "dead_letters": {"base_path": str(folder / "letters")},
                "limits": {"max_records_per_batch": 50},
                "trigger": {"interval_seconds": 0},
            }
        )
        assert isinstance(config, ReplicateConfig)
        self.config = config

    def run(self, **options: Any) -> Any:
        return run(self.config, until_caught_up=True, **options)

    def items(self) -> dict[str, dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.target)
        found = [item for page in pages for item in page["Items"]]
        return {next(iter(item.pop(KEY).values())): item for item in found if item.pop("_binlog")}

    def assert_equal_to_rows(self) -> None:
        rows = self.database.loaded("t", 1000)
        items = self.items()
        assert sorted(items, key=int) == [str(row["id"]) for row in rows]
        values = {str(row["id"]): {n: v for n, v in row.items() if n != "id" and v is not None} for row in rows}
        assert {k: {n: next(iter(v.values())) for n, v in item.items()} for k, item in items.items()} == values


@pytest.fixture
def replica(database: Any, dynamodb: Any, tmp_path: Path, fresh_name: Any) -> Replica:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
    return Replica(database, dynamodb, tmp_path, fresh_name("replica"))


def test_rows_and_their_changes_become_items(replica):
    replica.database.run("INSERT INTO t SELECT seq, CONCAT('v', seq) FROM seq_1_to_200")
    replica.run()
    replica.assert_equal_to_rows()
    replica.database.run(
        "UPDATE t SET v = 'changed' WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 5 = 0",
        "UPDATE t SET id = id + 1000 WHERE id % 7 = 0",
        "INSERT INTO t VALUES (5000, 'new'), (5001, NULL)",
    )
    summary = replica.run()
    assert summary.caught_up
    replica.assert_equal_to_rows()
    overview = status(replica.config)()
    assert (overview.state.state, overview.details["phase"]) == (State.STOPPED, "following")
    whole = together(overview.batches)
    assert whole.read == 200 + summary.records
    assert whole.freshness is not None
    assert 0 <= whole.freshness.p50_seconds <= whole.freshness.max_seconds < 300


def test_statements_on_the_whole_table_are_followed(replica):
    replica.database.run("INSERT INTO t SELECT seq, 'x' FROM seq_1_to_20")
    replica.run()
    replica.database.run("ALTER TABLE t ADD COLUMN w VARCHAR(10) DEFAULT 'd'", "INSERT INTO t VALUES (100, 'y', 'z')")
    replica.run()
    replica.assert_equal_to_rows()
    replica.database.run("TRUNCATE TABLE t", "INSERT INTO t VALUES (7, 'after', NULL)")
    replica.run()
    replica.assert_equal_to_rows()
    replica.database.run("CREATE TABLE u LIKE t", "INSERT INTO u VALUES (8, 'other', NULL)")
    replica.database.run("RENAME TABLE t TO old, u TO t")
    replica.run()
    replica.assert_equal_to_rows()
    replica.database.run("DROP TABLE t")
    replica.run()
    assert replica.items() == {}
    replica.database.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (9)")
    replica.run()
    replica.assert_equal_to_rows()


@pytest.mark.parametrize("step", [*LOAD_STEPS, *STEPS])
def test_a_job_that_died_at_any_step_goes_on(replica, step):
    replica.database.run("INSERT INTO t SELECT seq, 'x' FROM seq_1_to_120")

    def at(done: str) -> None:
        replica.database.run("INSERT INTO t VALUES (1000, 'z') ON DUPLICATE KEY UPDATE v = CONCAT(v, 'z')")
        replica.database.run("DELETE FROM t WHERE id = 60", "UPDATE t SET id = 2000 WHERE id = 3")
        if done == step:
            raise Died

    with pytest.raises(Died):
        replica.run(on_step=at)
        replica.run(on_step=at)
    replica.run()
    replica.assert_equal_to_rows()


def test_a_reload_finds_what_no_event_told(replica):
    replica.database.run("INSERT INTO t VALUES (1, 'x'), (2, 'x')")
    replica.run()
    replica.database.run("SET SESSION sql_log_bin = 0", "DELETE FROM t WHERE id = 1", "SET SESSION sql_log_bin = 1")
    replica.run()
    assert sorted(replica.items()) == ["1", "2"]
    replica.run(reload=True)
    assert sorted(replica.items()) == ["2"]


def test_a_target_with_another_key_is_refused(replica):
    replica.client.create_table(
        TableName=replica.target,
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(SinkError, match="expected the key"):
        replica.run()
