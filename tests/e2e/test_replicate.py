# ruff: noqa: S608  (statements of a test's own database)
"""The replicate job as a process on real servers: kills at random instants, signals, exit codes."""

import math
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from streamjoin.local.mariadb import MariaDb
from streamjoin.local.stack import LocalStack
from tests.e2e.job_file import wait_for
from tests.e2e.replica import Replica
from tests.e2e.row_changes import RowChanges, fill

ROWS, CHANGES, KILLS, SEED = 9_000, 3_000, 4, 38
# Of a batch, or a chunk of the load: each has a line in the log. After each line the next changes come, and after some
# chunks and batches the job is killed.
LIMIT, CHANGES_A_LINE, MOST_LINES = 360, 60, 20
STATEMENTS = {
    900: "ALTER TABLE notes ADD COLUMN mood VARCHAR(10) DEFAULT 'fine'",
    2_100: "TRUNCATE TABLE notes",
}


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    # The binlog goes on in another file now and then.
    with MariaDb(["--max-binlog-size=262144"]) as running:
        yield running


def lines(replica: Replica) -> int:
    return replica.log().count(" position=")


@pytest.mark.parametrize(
    ("server", "rows", "count", "kills"),
    [("mariadb", ROWS, CHANGES, KILLS), ("mysql57", 3_000, 1_000, 3), ("mysql80", 3_000, 1_000, 3)],
)
def test_killed_at_random_instants_while_rows_change_the_items_end_equal_to_the_rows(
    stack: LocalStack, request: pytest.FixtureRequest, tmp_path: Path, server: str, rows: int, count: int, kills: int
) -> None:
    database, chance = request.getfixturevalue(server), random.Random(SEED)
    replica = Replica(tmp_path, database, f"killed_{server}", max_records_per_batch=LIMIT * rows // ROWS)
    fill(replica, rows)
    changes = RowChanges(replica, rows, SEED)
    statements = {after * count // CHANGES: sql for after, sql in STATEMENTS.items()}
    with changes.coming(count, statements, lambda: CHANGES_A_LINE * replica.log().count("\n")) as thread:
        for life in range(kills):
            until = lines(replica) + chance.randrange(1, MOST_LINES) if life < kills - 1 else math.inf
            with replica.running() as process:
                wait_for(
                    lambda: lines(replica) >= until or process.poll() is not None or not thread.is_alive(),  # noqa: B023
                    seconds=240,
                    pause_seconds=0.02,
                )
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 0.5))
            assert process.returncode == -signal.SIGKILL
    assert replica.run("--until-caught-up") == 0, replica.log()
    assert changes.made >= count
    replica.check()
    assert "Traceback" not in replica.log()


def test_a_signal_ends_the_job_with_exit_code_0_and_the_next_start_goes_on(
    stack: LocalStack, mariadb: MariaDb, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, mariadb, "signal")
    fill(replica, 500)
    for number in (signal.SIGTERM, signal.SIGINT):
        before = lines(replica)
        with replica.running() as process:
            replica.run_sql(f"INSERT INTO notes VALUES ({1000 + number}, 'before the signal')")
            wait_for(lambda: lines(replica) > before)  # noqa: B023
            process.send_signal(number)
            assert process.wait(60) == 0, replica.log()
    assert replica.run("--until-caught-up") == 0, replica.log()
    assert replica.log().count(f"load={replica.database}.orders") == 1
    replica.check()


def test_a_wrong_password_is_one_clear_error_without_it(stack: LocalStack, mariadb: MariaDb, tmp_path: Path) -> None:
    replica = Replica(tmp_path, mariadb, "password")
    document = yaml.safe_load(replica.config.read_text())
    document["source"]["mysql"]["password"] = "not-the-one"  # noqa: S105
    replica.config.write_text(yaml.safe_dump(document))
    assert replica.run("--until-caught-up") == 1
    assert "check source.mysql.user and its password" in replica.log()
    assert "not-the-one" not in replica.log()
    assert "Traceback" not in replica.log()


def test_missing_grants_are_named_with_the_statements_to_run(
    stack: LocalStack, mariadb: MariaDb, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, mariadb, "grants")
    replica.run_sql(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {replica.user}@'%'")
    replica.run_sql(f"GRANT SELECT ON {replica.database}.* TO {replica.user}@'%'")
    assert replica.run("--until-caught-up") == 1
    said = replica.log()
    assert "Traceback" not in said
    statements = [line.strip() for line in said.splitlines() if line.strip().startswith("GRANT ")]
    assert [each.partition(" TO ")[0] for each in statements] == ["GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*"]
    # What it tells an administrator to run is what it lacks.
    replica.run_sql(*statements)
    assert replica.run("--until-caught-up") == 0, replica.log()
    replica.check()


def test_a_purged_binlog_is_an_error_that_names_reload_which_goes_on(
    stack: LocalStack, mariadb: MariaDb, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, mariadb, "purged")
    fill(replica, 200)
    assert replica.run("--until-caught-up") == 0, replica.log()
    replica.run_sql("DELETE FROM orders WHERE id < 20", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    newest = mariadb.execute("SHOW BINARY LOGS")[-1][0]

    def is_purged() -> bool:
        # The server may keep a file for a moment, as its own recovery could need it.
        mariadb.execute(f"PURGE BINARY LOGS TO '{newest}'")
        return len(mariadb.execute("SHOW BINARY LOGS")) == 1

    wait_for(is_purged)
    assert replica.run("--until-caught-up") == 1
    assert "the binlog no longer has the position" in replica.log()
    assert "--reload" in replica.log()
    assert "Traceback" not in replica.log()
    assert replica.run("--reload", "--until-caught-up") == 0, replica.log()
    replica.check()


def test_wrong_table_mappings_are_exit_code_2_with_every_problem(
    stack: LocalStack, mariadb: MariaDb, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, mariadb, "mappings")
    text = replica.mappings.read_text()
    replica.mappings.write_text(text.replace("map-record-to-record", "map-record-to-row").replace('"include"', '"in"'))
    assert replica.run("--until-caught-up") == 2
    assert "map-record-to-row" in replica.log()
    assert "Traceback" not in replica.log()
