# ruff: noqa: S608  (statements of a test's own database)
"""MySQL 8.0.12 and 5.7.22 with the settings and grants of the first system: no names of columns, GTID or RELOAD."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pymysql
import pytest

from streamjoin.errors import SourceError
from streamjoin.mysql import (
    Altered,
    BinlogPosition,
    Change,
    ChunkBounds,
    Committed,
    LoadedChunk,
    RowChange,
    Truncated,
    snapshots,
)
from streamjoin.mysql.binlog.dump import BinlogDump
from tests.integration.mysql.conftest import DEADLINE_SECONDS, Database, collect

# Of group commit: between the transaction's writing to the binlog and its end in the engine.
COMMIT_DELAY_MICROSECONDS = 700_000
DUMP = "Binlog Dump"


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


# Columns of a table, what is written, how it is altered, what is written then, and how that is read.
ALTERED = {
    "names": ("a INT, b INT", "1, 2", "CHANGE a b INT, CHANGE b a INT", "3, 4", {"b": 3, "a": 4}),
    "sign": ("a INT", "-1", "MODIFY a INT UNSIGNED", "4294967295", {"a": 2**32 - 1}),
    "members": ("a ENUM('x', 'y')", "'y'", "MODIFY a ENUM('z', 'y', 'x')", "'x'", {"a": "x"}),
    "charset": ("a CHAR(2) CHARACTER SET latin1", "'é'", "MODIFY a CHAR(2) CHARACTER SET koi8r", "'ж'", {"a": "ж"}),
    "more": ("a INT", "1", "ADD COLUMN b INT FIRST", "2, 3", {"b": 2, "a": 3}),
    "fewer": ("a INT, b INT", "1, 2", "DROP COLUMN a", "3", {"b": 3}),
    "type": ("a INT", "1", "MODIFY a VARCHAR(9)", "'x'", {"a": "x"}),
}


def test_rows_from_before_their_table_was_altered_are_never_read_by_its_new_columns(mysql_database: Database) -> None:
    database = mysql_database
    database.run("SET SESSION sql_mode = ''")
    position = database.server().position()
    for name, (columns, old, alter, new, _) in ALTERED.items():
        database.run(
            f"CREATE TABLE {name} ({columns}, id INT DEFAULT 7)",
            f"INSERT INTO {name} VALUES ({old}, 7)",
            f"TRUNCATE {name}",
            f"ALTER TABLE {name} {alter}",
            f"INSERT INTO {name} VALUES ({new}, 7)",
        )
    changes = database.changes_since(position)
    for name, (*_, expected) in ALTERED.items():
        rows = [change.after for change in changes if isinstance(change, RowChange) and change.table.name == name]
        assert rows == [{**expected, "id": 7}], name
        assert database.loaded(name) == rows
    whole = [change for change in changes if is_of_table(change)]
    assert [type(change) for change in whole] == [Truncated, Altered] * len(ALTERED)


def test_a_table_that_was_altered_unseen_by_the_binlog_is_loaded_again(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    position = database.server().position()
    database.run(
        *("INSERT INTO t VALUES (1, 2)", "SET SESSION sql_log_bin = 0", "ALTER TABLE t ADD COLUMN w INT AFTER id"),
        *("SET SESSION sql_log_bin = 1", "INSERT INTO t VALUES (2, 3, 4)"),
    )
    altered, row = [change for change in database.changes_since(position) if not isinstance(change, Committed)]
    assert isinstance(altered, Altered)
    assert isinstance(row, RowChange)
    assert row.after == {"id": 2, "w": 3, "v": 4}


def test_columns_that_are_generated_are_read_without_names(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, z INT)")
    position = database.server().position()
    database.run("INSERT INTO t (id, a, z) VALUES (1, 10, 5)", "UPDATE t SET a = 20")
    last = database.rows_since(position)[-1]
    assert last.before == {"id": 1, "a": 10, "v": 11, "s": 12, "z": 5}
    assert database.loaded("t") == [last.after]


def test_a_transaction_that_is_open_while_a_table_is_loaded_is_read_when_it_ends(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 0), (2, 0)")
    with closing(database.mariadb.connect(database.name)) as other, other.cursor() as cursor:
        cursor.execute("UPDATE t SET v = 1 WHERE id = 1")
        (chunk,) = load(database)
        assert [row["v"] for row in chunk.rows] == [0, 0]
        other.commit()
    assert {"id": 1, "v": 1} in [change.after for change in database.rows_since(chunk.position)]


def stop_cleanly(database: Database) -> None:
    database.run("SHUTDOWN")


def kill(database: Database) -> None:
    """Kill the server's own process, not the one that holds it."""
    os.kill(pid_of(database), signal.SIGKILL)


def pid_of(database: Database) -> int:
    return int(Path(database.run("SELECT @@global.pid_file")[0][0]).read_text())


@pytest.mark.parametrize("end", [stop_cleanly, kill], ids=["stopped", "killed"])
def test_a_server_that_ends_is_a_retryable_error_and_nothing_is_lost(
    mysql_database: Database, end: Callable[[Database], None]
) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    server = database.server()
    start, pid = server.position(), pid_of(database)
    database.run("INSERT INTO t VALUES (1)")
    with server.changes(start, database.selects, ()) as stream:
        taken = collect(stream, server.position())
        end(database)
        with pytest.raises(SourceError) as ended:
            while True:
                taken += stream.take(10, 30.0)
    assert ended.value.retryable
    deadline = time.monotonic() + DEADLINE_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    database.mariadb.stop()
    database.mariadb.start()
    database.connection.connect()
    database.run("INSERT INTO t VALUES (2)")
    last = [change.position for change in taken if isinstance(change, Committed)][-1]
    assert [change.after for change in database.rows_since(last)] == [{"id": 2}]
    # All before the file that the server began is committed, also what it recovered.
    (chunk,) = load(database)
    assert chunk.position.order > last.order
    assert [row["id"] for row in chunk.rows] == [1, 2]


def test_a_dump_that_is_killed_or_cut_off_by_another_replica_may_be_tried_again(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    server = database.server()
    position = server.position()
    with server.changes(position, database.selects, ()) as stream:
        database.run("INSERT INTO t VALUES (1)")
        collect(stream, server.position())
        # The one that read ahead may not be gone yet.
        dumps = [row[0] for row in database.run("SHOW PROCESSLIST") if row[1] == database.user and row[4] == DUMP]
        database.run(*(f"KILL {dump}" for dump in dumps))
        with pytest.raises(SourceError) as killed:
            while True:
                stream.take(10, 30.0)
    assert killed.value.retryable
    first, second = BinlogDump(database.address, 77), BinlogDump(database.address, 77)
    with closing(first), closing(second):
        first.start(position, is_mariadb=False, by_gtid=False)
        events = first.events()
        next(events)
        second.start(position, is_mariadb=False, by_gtid=False)
        next(second.events())
        with pytest.raises(SourceError) as cut_off:
            list(events)
    assert cut_off.value.retryable
    assert [change.after for change in database.rows_since(position)] == [{"id": 1}]


def test_events_with_and_without_checksums_are_read_in_one_stream(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    position = database.server().position()
    try:
        for number, checksum in enumerate(("CRC32", "NONE", "CRC32")):
            database.run(f"SET GLOBAL binlog_checksum = {checksum}", f"INSERT INTO t VALUES ({number})")
    finally:
        database.run("SET GLOBAL binlog_checksum = NONE")
    assert [change.after for change in database.rows_since(position)] == [{"id": number} for number in range(3)]
