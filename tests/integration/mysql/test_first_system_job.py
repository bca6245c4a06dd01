# ruff: noqa: S608  (statements of a test's own database)
"""The whole job on MySQL 8.0.12 and 5.7.22 with the settings and grants of the first system."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamjoin.errors import SourceError
from streamjoin.replicate.load import LOAD_STEPS
from streamjoin.replicate.pipeline import STEPS
from tests.integration.mysql.conftest import Database
from tests.integration.mysql.test_replicate_job import Died, Replica

WRITERS, TRANSACTIONS = 3, 40


@pytest.fixture
def replica(mysql_database: Database, dynamodb: Any, tmp_path: Path, fresh_name: Any) -> Replica:
    mysql_database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
    return Replica(mysql_database, dynamodb, tmp_path, fresh_name("replica"))


def fill(database: Database, first: int, last: int) -> None:
    database.run("INSERT INTO t (id, v) VALUES " + ", ".join(f"({number}, 'v')" for number in range(first, last)))


@contextmanager
def writing(database: Database) -> Iterator[None]:
    """Change rows on several connections, some in long transactions, while the block runs."""

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with database.mariadb.connect(database.name) as connection, connection.cursor() as cursor:
            # Each has rows of its own, so that none waits for another.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            for _ in range(TRANSACTIONS):
                for _ in range(chance.choice((1, 1, 1, 30))):
                    row = chance.randrange(100) * WRITERS + seed
                    cursor.execute("INSERT INTO t (id, v) VALUES (%s, 'n') ON DUPLICATE KEY UPDATE v = %s", (row, seed))
                    cursor.execute("DELETE FROM t WHERE id = %s", (chance.randrange(100) * WRITERS + seed,))
                    cursor.execute("UPDATE t SET v = %s WHERE id = %s", (chance.randrange(10**9), row))
                connection.commit()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        for writer in writers:
            writer.join()


def test_a_load_that_races_with_writers_ends_equal_to_the_rows(replica: Replica) -> None:
    database = replica.database
    fill(database, 0, 300)
    # In the file that the load's place is in: what came before must neither come back nor be loaded time and again.
    database.run("ALTER TABLE t ADD COLUMN w VARCHAR(9) DEFAULT 'w'", "DELETE FROM t WHERE id % 11 = 0")
    with writing(database):
        replica.run()
        replica.run()
    replica.run()
    replica.assert_equal_to_rows()


def test_statements_on_the_whole_table_are_followed_without_names_in_the_binlog(replica: Replica) -> None:
    database = replica.database
    fill(database, 0, 20)
    replica.run()
    for statements in (
        ("UPDATE t SET v = 'old' WHERE id < 5", "ALTER TABLE t ADD COLUMN w VARCHAR(10) DEFAULT 'd' AFTER id"),
        (
            *("UPDATE t SET v = 'one', w = 'two'", "DELETE FROM t WHERE id = 3"),
            "ALTER TABLE t CHANGE v w VARCHAR(20), CHANGE w v VARCHAR(20)",
            "UPDATE t SET v = 'three' WHERE id = 4",
        ),
        ("INSERT INTO t (id) VALUES (50)", "TRUNCATE TABLE t", "INSERT INTO t VALUES (7, 'after', NULL)"),
        (
            *("CREATE TABLE u LIKE t", "INSERT INTO u VALUES (8, 'other', NULL)"),
            *("RENAME TABLE t TO old, u TO t", "INSERT INTO t VALUES (9, 'more', 'w')"),
        ),
    ):
        database.run(*statements)
        replica.run()
        replica.assert_equal_to_rows()
    database.run("DROP TABLE t", "CREATE TABLE t (id INT PRIMARY KEY)")
    replica.run()
    assert replica.items() == {}


def test_a_job_that_dies_at_every_step_in_turn_ends_equal_to_the_rows(replica: Replica) -> None:
    database = replica.database
    fill(database, 0, 120)
    for number, step in enumerate((*LOAD_STEPS, *STEPS)):

        def at(done: str, step: str = step, number: int = number) -> None:
            database.run(f"INSERT INTO t VALUES ({1000 + number}, 'z') ON DUPLICATE KEY UPDATE v = CONCAT(v, 'z')")
            database.run(
                f"DELETE FROM t WHERE id = {60 + number}", f"UPDATE t SET id = {2000 + number} WHERE id = {number}"
            )
            if done == step:
                raise Died

        with pytest.raises(Died):
            replica.run(on_step=at, reload=step in LOAD_STEPS and number % 2 == 1)
            replica.run(on_step=at)
    replica.run()
    replica.assert_equal_to_rows()


def test_a_right_that_was_revoked_while_the_job_stood_is_told_by_its_next_start(replica: Replica) -> None:
    database, user = replica.database, f"{replica.database.user}@'%'"
    fill(database, 0, 3)
    replica.run()
    database.mariadb.execute(f"REVOKE SELECT ON {database.name}.* FROM {user}")
    with pytest.raises(SourceError, match="is not seen: SELECT is not granted") as error:
        replica.run()
    database.mariadb.execute(str(error.value).splitlines()[-1].strip().rstrip(";"))
    database.run("DROP TABLE t")
    replica.run()
    assert replica.items() == {}


def test_a_wildcards_table_that_the_user_may_not_read_is_left_out_and_statements_in_any_character_set_are_followed(
    replica: Replica, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = replica.database
    mappings = tmp_path / "mappings.json"
    rules = mappings.read_text().replace('"table-name": "t"', '"table-name": "%"', 1)
    mappings.write_text(rules.replace('"table-name": "t"', '"table-name": "表誠"'), encoding="utf-8")
    user = f"{database.address.user}@'%'"
    database.run("CREATE TABLE `表誠` (id INT PRIMARY KEY, v VARCHAR(20), w VARCHAR(20))", "DROP TABLE t")
    database.run("CREATE TABLE secret (id INT PRIMARY KEY)", "INSERT INTO secret VALUES (1)")
    database.run("CREATE TABLE written (id INT PRIMARY KEY)")
    database.mariadb.execute(f"REVOKE SELECT ON {database.name}.* FROM {user}")
    database.mariadb.execute(f"GRANT SELECT ON {database.name}.`表誠` TO {user}")
    database.mariadb.execute(f"GRANT INSERT ON {database.name}.written TO {user}")
    database.run("INSERT INTO `表誠` VALUES (1, 'v', 'w'), (2, 'v', 'w')", "INSERT INTO secret VALUES (2)")
    replica.run()

    def by_gbk(statement: str) -> None:
        with database.mariadb.connect(database.name) as connection, connection.cursor() as cursor:
            connection.set_character_set("gbk")
            cursor.execute(statement)

    by_gbk("ALTER TABLE `表誠` CHANGE v w VARCHAR(20), CHANGE w v VARCHAR(20)")
    database.run("INSERT INTO `表誠` (id, v, w) VALUES (3, 'of v', 'of w')", "INSERT INTO secret VALUES (3)")
    replica.run()
    values = {key: (item["v"]["S"], item["w"]["S"]) for key, item in replica.items().items()}
    assert values == {"1": ("w", "v"), "2": ("w", "v"), "3": ("of v", "of w")}
    for unread in ("secret", "written"):
        assert f"table '{database.name}.{unread}' is left out; the others go on" in caplog.text
    assert f"GRANT SELECT ON `{database.name}`.`secret`" in caplog.text
    by_gbk("TRUNCATE TABLE `表誠`")
    replica.run()
    assert replica.items() == {}
