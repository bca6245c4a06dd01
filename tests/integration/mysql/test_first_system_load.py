# ruff: noqa: S608  (statements of a test's own database)
"""Places that loaded rows count as of, on MySQL 8.0.12 and 5.7.22 with the settings and grants of the first system."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress

import pymysql
import pytest

from streamjoin.mysql import Altered, BinlogPosition, Change, ChunkBounds, LoadedChunk, Truncated, snapshots
from tests.integration.mysql.conftest import Database

# Of group commit: between the transaction's writing to the binlog and its end in the engine.
COMMIT_DELAY_MICROSECONDS = 700_000


def load(database: Database, table: str = "t") -> list[LoadedChunk]:
    server = database.server()
    found = server.table(database.name, table)
    assert found is not None
    return list(server.load(found, None, ChunkBounds(100, 1_000_000)))


@contextmanager
def committing(database: Database, sql: str) -> Iterator[BinlogPosition]:
    """Begin a commit that is in the binlog, and not yet in the engine; give the binlog's end behind it."""
    server = database.server()
    settings = ("sync_binlog", "binlog_group_commit_sync_delay")
    before = [database.run(f"SELECT @@global.{name}")[0][0] for name in settings]
    database.run(
        "SET GLOBAL sync_binlog = 0", f"SET GLOBAL binlog_group_commit_sync_delay = {COMMIT_DELAY_MICROSECONDS}"
    )
    start = server.position()
    writer = threading.Thread(target=lambda: database.mariadb.execute(sql, database=database.name))
    writer.start()
    try:
        while (end := server.position()).order <= start.order:
            assert writer.is_alive()
        yield end
    finally:
        writer.join()
        database.run(*(f"SET GLOBAL {name} = {value}" for name, value in zip(settings, before, strict=True)))


def test_a_row_that_is_being_committed_while_it_is_loaded_is_not_lost(mysql_database: Database) -> None:
    """The interleaving that a place from the binlog's end alone loses: the change lies before it, unseen so far."""
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'old')")
    start = database.server().position()
    with committing(database, "UPDATE t SET v = 'new'") as naive:
        seen = database.run("SELECT v FROM t")
        (chunk,) = load(database)
    (change,) = database.rows_since(start)
    assert change.position.order <= naive.order
    assert seen == [("old",)]
    # Either the row has the change, or the change is newer than the row and so replaces it.
    assert chunk.rows[0]["v"] == "new" or chunk.position.order < change.position.order


@contextmanager
def with_gtids(database: Database) -> Iterator[None]:
    steps = ("OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")
    database.run("SET GLOBAL enforce_gtid_consistency = ON", *(f"SET GLOBAL gtid_mode = {step}" for step in steps[1:]))
    try:
        yield
    finally:
        database.run(*(f"SET GLOBAL gtid_mode = {step}" for step in reversed(steps[:-1])))
        database.run("SET GLOBAL enforce_gtid_consistency = OFF")


@contextmanager
def with_reload(database: Database) -> Iterator[None]:
    database.run(f"GRANT RELOAD ON *.* TO {database.user}@'%'")
    yield


@pytest.mark.parametrize(("granted", "way"), [(with_gtids, "GTID"), (with_reload, "RELOAD")], ids=["gtid", "reload"])
def test_a_stronger_way_is_taken_where_there_is_one_and_said_in_the_log(
    mysql_database: Database,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    granted: Callable[[Database], AbstractContextManager[None]],
    way: str,
) -> None:
    monkeypatch.setattr(snapshots, "REPLAYED_BYTES", 0)
    caplog.set_level("INFO")
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'old')")
    with granted(database):
        start = database.server().position()
        with committing(database, "UPDATE t SET v = 'new'") as end:
            (chunk,) = load(database)
        assert chunk.position.order >= end.order
        assert chunk.rows == ({"id": 1, "v": "new"},)
        database.run("INSERT INTO t VALUES (2, 'x')")
        assert [change.after for change in database.rows_since(chunk.position)] == [{"id": 2, "v": "x"}]
        assert len(database.rows_since(start)) == 2
    assert f"({way}, " in caplog.text


def test_a_statement_that_runs_for_long_keeps_neither_a_load_nor_writers_waiting(
    mysql_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A read lock on all tables would wait for it, and whoever uses its table or writes would wait for the lock."""
    monkeypatch.setattr(snapshots, "REPLAYED_BYTES", 0)
    caplog.set_level("INFO")
    database = mysql_database
    database.run(*(f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in "tu"), "INSERT INTO t VALUES (1)")
    with with_reload(database), closing(database.mariadb.connect(database.name)) as reader:
        number = reader.thread_id()

        def read() -> None:
            with suppress(pymysql.MySQLError):
                reader.query("SELECT SLEEP(20) FROM t")

        busy = threading.Thread(target=read)
        busy.start()
        sleeping = f"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {number} AND STATE = 'User sleep'"
        while not database.run(sleeping):
            assert busy.is_alive()
        (chunk,) = load(database)
        database.run("INSERT INTO u VALUES (1)")
        assert busy.is_alive()
        database.run(f"KILL QUERY {number}")
        busy.join()
    assert chunk.rows == ({"id": 1},)
    assert "(RELOAD, a new binlog file's beginning" in caplog.text


def test_a_binlog_file_begins_only_when_all_of_the_one_before_is_committed(mysql_database: Database) -> None:
    """What a load without RELOAD and GTID rests on."""
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'old')")
    with committing(database, "UPDATE t SET v = 'new'") as end:
        database.run("FLUSH BINARY LOGS")
        assert database.run("SELECT v FROM t") == [("new",)]
    (chunk,) = load(database)
    assert chunk.position.order > end.order
    assert chunk.rows == ({"id": 1, "v": "new"},)


def test_a_load_counts_as_of_the_last_statement_on_the_whole_table_in_the_newest_file(
    mysql_database: Database,
) -> None:
    database = mysql_database
    database.run("FLUSH BINARY LOGS", "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE u (id INT PRIMARY KEY)")
    database.run("INSERT INTO t VALUES (1)", "TRUNCATE t", "INSERT INTO t VALUES (2)")
    (whole,) = [change for change in database.changes_since(load(database, "u")[0].position) if is_of_table(change)]
    (chunk,) = load(database)
    assert chunk.position == BinlogPosition(whole.position.file, whole.position.offset)
    assert load(database, "u")[0].position == BinlogPosition(whole.position.file, 4)
    assert [row["id"] for row in chunk.rows] == [2]


def is_of_table(change: Change) -> bool:
    return isinstance(change, Truncated | Altered)


def test_a_transaction_that_is_open_while_a_table_is_loaded_is_read_when_it_ends(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 0), (2, 0)")
    with closing(database.mariadb.connect(database.name)) as other, other.cursor() as cursor:
        cursor.execute("UPDATE t SET v = 1 WHERE id = 1")
        (chunk,) = load(database)
        assert [row["v"] for row in chunk.rows] == [0, 0]
        other.commit()
    assert {"id": 1, "v": 1} in [change.after for change in database.rows_since(chunk.position)]
