# ruff: noqa: S608  (statements of a test's own database)
"""Whole tables that change: TRUNCATE, DROP, ALTER, RENAME and what else the binlog has as a statement."""

import pytest

from streamjoin.mysql import Altered, BinlogPosition, Change, Committed, RowChange, Truncated
from tests.integration.mysql.conftest import Database


@pytest.fixture
def position(database: Database) -> BinlogPosition:
    database.run("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b LIKE a", "INSERT INTO a VALUES (1, 1)")
    return database.server().position()


def brief(changes: list[Change]) -> list[str]:
    names = {Truncated: "truncated", Altered: "altered"}
    return [
        f"{change.operation} {change.table.name}"
        if isinstance(change, RowChange)
        else f"{names[type(change)]} {change.name}"
        for change in changes
        if not isinstance(change, Committed)
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("TRUNCATE a", ["truncated a"]),
        ("/* why */ truncate /* not */ table `a`; -- all", ["truncated a"]),
        ("TRUNCATE TABLE {db}.a", ["truncated a"]),
        ("DROP TABLE IF EXISTS nothing, `{db}`.`b`, a", ["truncated nothing", "truncated b", "truncated a"]),
        ("ALTER TABLE a ADD COLUMN w INT DEFAULT 7", ["altered a"]),
        ("ALTER ONLINE TABLE IF EXISTS a DROP COLUMN v", ["altered a"]),
        ("ALTER TABLE a RENAME COLUMN v TO w", ["altered a"]),
        ("ALTER TABLE a RENAME TO c", ["truncated a", "altered c"]),
        ("RENAME TABLE a TO spare, b TO a", ["altered spare", "truncated b", "altered a"]),
        ("RENAME TABLE a TO spare, b TO a, spare TO b", ["truncated spare", "altered a", "altered b"]),
        ("CREATE OR REPLACE TABLE a (id INT PRIMARY KEY)", ["truncated a"]),
        ("CREATE TABLE c (PRIMARY KEY (id)) SELECT * FROM a", ["insert c"]),
        ("CREATE INDEX v_index ON a (v)", []),
        ("ALTER TABLE a DISABLE KEYS", []),
        ("SET STATEMENT max_statement_time = 60 FOR ALTER TABLE a ADD w INT", ["altered a"]),
        ("DELETE FROM a", ["delete a"]),
        ("ANALYZE TABLE a", []),
    ],
)
def test_a_statement_is_reported(database: Database, position: BinlogPosition, sql: str, expected: list[str]) -> None:
    database.run(sql.replace("{db}", database.name))
    found = brief(database.changes_since(position))
    assert sorted(found) == sorted(expected)


def test_dropping_the_database_empties_its_tables(database: Database, position: BinlogPosition) -> None:
    server = database.server()
    known = server.tables(database.selects)
    database.run(f"DROP DATABASE {database.name}", f"CREATE DATABASE {database.name}")
    with server.changes(position, database.selects, known) as stream:
        assert brief(stream.take(2, 30.0)) == ["truncated a", "truncated b"]


def test_a_temporary_table_of_the_same_name_is_no_tables_business(database: Database, position: BinlogPosition) -> None:
    database.run(
        "CREATE TEMPORARY TABLE a (id INT)", "INSERT INTO a VALUES (5)", "ALTER TABLE a ADD w INT", "TRUNCATE a",
        "DROP TABLE a", "INSERT INTO a VALUES (2, 2)",
    )  # fmt: skip
    assert brief(database.changes_since(position)) == ["insert a"]


def test_names_in_double_quotes_and_of_another_default_schema_are_found(
    database: Database, position: BinlogPosition
) -> None:
    database.run("SET SESSION sql_mode = 'ANSI_QUOTES'", 'ALTER TABLE "a" ADD "w ""x" INT', "USE mysql")
    database.run(f"TRUNCATE {database.name}.a", f"USE {database.name}", "TRUNCATE TABLE b")
    assert brief(database.changes_since(position)) == ["altered a", "truncated a", "truncated b"]


def test_rows_logged_as_a_statement_have_their_table_loaded_again(database: Database, position: BinlogPosition) -> None:
    database.run(
        "SET SESSION binlog_format = 'STATEMENT'", "UPDATE a SET v = 5 WHERE id = 1", "INSERT INTO b VALUES (1, 1)"
    )
    assert brief(database.changes_since(position)) == ["altered a", "altered b"]


def test_two_phases_are_read_when_the_second_is_over(database: Database, position: BinlogPosition) -> None:
    database.run("XA START 'x'", "INSERT INTO a VALUES (2, 2)", "XA END 'x'", "XA PREPARE 'x'")
    assert brief(database.changes_since(position)) == []
    database.run("XA COMMIT 'x'")
    assert brief(database.changes_since(position)) == ["altered a"]


def test_two_phases_of_which_only_the_second_is_read_make_every_table_be_loaded(database: Database) -> None:
    database.run("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b LIKE a")
    database.run("XA START 'x'", "INSERT INTO a VALUES (2)", "XA END 'x'", "XA PREPARE 'x'")
    position = database.server().position()
    database.run("XA COMMIT 'x'")
    assert brief(database.changes_since(position)) == ["altered a", "altered b"]


def test_two_phases_rolled_back_change_nothing(database: Database, position: BinlogPosition) -> None:
    database.run("XA START 'x'", "INSERT INTO a VALUES (2, 2)", "XA END 'x'", "XA PREPARE 'x'", "XA ROLLBACK 'x'")
    database.run("INSERT INTO b VALUES (1, 1)")
    assert brief(database.changes_since(position)) == ["insert b"]


def test_a_rollback_that_left_rows_of_a_table_without_transactions_has_both_loaded(
    database: Database, position: BinlogPosition
) -> None:
    database.run("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
    database.run("BEGIN", "INSERT INTO a VALUES (2, 2)", "INSERT INTO m VALUES (1)", "ROLLBACK")
    found = brief(database.changes_since(position))
    assert "insert m" in found
    assert ("insert a" in found) == ("altered a" in found)


def test_a_sequence_is_no_table(database: Database, position: BinlogPosition) -> None:
    database.run("CREATE SEQUENCE numbers", "SELECT NEXT VALUE FOR numbers", "INSERT INTO b VALUES (1, 1)")
    assert brief(database.changes_since(position)) == ["insert b"]
    assert [table.name for table in database.server().tables(database.selects)] == ["a", "b"]


def test_alter_in_two_phases_is_one(database: Database, position: BinlogPosition) -> None:
    database.run("SET SESSION binlog_alter_two_phase = 1", "ALTER TABLE a ADD w INT, ALGORITHM=COPY")
    found = brief(database.changes_since(position))
    assert found
    assert set(found) == {"altered a"}


def test_what_mariadb_compresses_is_read(database: Database, position: BinlogPosition) -> None:
    database.run("SET GLOBAL log_bin_compress = ON")
    try:
        wide = ", ".join(f"({number}, {number * 1000})" for number in range(100))
        database.run("CREATE TABLE w (id INT PRIMARY KEY, v BIGINT, t TEXT)", f"INSERT INTO w (id, v) VALUES {wide}")
        database.run("UPDATE w SET t = REPEAT('ab', 500)", "DELETE FROM w", f"TRUNCATE /* {'long ' * 100} */ a")
    finally:
        database.run("SET GLOBAL log_bin_compress = OFF")
    changes = database.changes_since(position)
    rows = [change for change in changes if isinstance(change, RowChange)]
    assert [row.operation for row in rows] == ["insert"] * 100 + ["update"] * 100 + ["delete"] * 100
    assert rows[-1].before == {"id": 99, "v": 99_000, "t": "ab" * 500}
    assert brief(changes)[-1] == "truncated a"


def test_loading_a_dump_changes_rows_only(database: Database, position: BinlogPosition) -> None:
    database.run(
        "LOCK TABLES `a` WRITE", "/*!40000 ALTER TABLE `a` DISABLE KEYS */", "INSERT INTO `a` VALUES (7, 7)",
        "/*!40000 ALTER TABLE `a` ENABLE KEYS */", "UNLOCK TABLES",
    )  # fmt: skip
    assert brief(database.changes_since(position)) == ["insert a"]
