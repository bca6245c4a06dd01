# ruff: noqa: S608  (statements of a test's own database)
"""MySQL 8.0.12 and 5.7.22 with the settings and grants of the first system: no names of columns, GTID or RELOAD."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql import (
    Altered,
    BinlogPosition,
    Committed,
    RowChange,
    Truncated,
)
from streamjoin.mysql.binlog.dump import BinlogDump
from tests.integration.mysql.conftest import DEADLINE_SECONDS, Database, collect
from tests.integration.mysql.test_first_system_load import is_of_table, load

DUMP = "Binlog Dump"


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


def test_a_new_file_of_the_old_name_and_with_an_event_at_the_same_byte_is_noticed(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)", "RESET MASTER")
    begin = database.server().position()
    # What tells files apart has whole seconds; and it stays what it is for a stream that begins later.
    time.sleep(1.1)
    database.run("INSERT INTO t VALUES (1)")
    position = database.changes_since(begin)[-1].position
    stored = BinlogPosition.from_dict(position.to_dict())
    database.run("INSERT INTO t VALUES (2)")
    assert [row.after for row in database.rows_since(stored)] == [{"id": 2}]
    database.run("RESET MASTER", "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (4)")
    with pytest.raises(DataLossError, match=r"no longer has the position.*another transaction.*--reload"):
        database.changes_since(stored)


def test_columns_that_are_generated_are_read_without_names(mysql_database: Database) -> None:
    database = mysql_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, z INT)")
    position = database.server().position()
    database.run("INSERT INTO t (id, a, z) VALUES (1, 10, 5)", "UPDATE t SET a = 20")
    last = database.rows_since(position)[-1]
    assert last.before == {"id": 1, "a": 10, "v": 11, "s": 12, "z": 5}
    assert database.loaded("t") == [last.after]


@pytest.fixture
def berlin(mysql_database: Database) -> Iterator[Database]:
    """A server whose zone has a change of the hour, by the tables that `mysql_tzinfo_to_sql` fills."""
    database = mysql_database
    tables = {
        "time_zone": "(99, 'N')",
        "time_zone_name": "('Europe/Berlin', 99)",
        "time_zone_transition_type": "(99, 0, 3600, 0, 'CET'), (99, 1, 7200, 1, 'CEST')",
        "time_zone_transition": "(99, 1711846800, 1), (99, 1729990800, 0)",
    }
    for table, rows in tables.items():
        database.mariadb.execute(f"INSERT IGNORE INTO mysql.{table} VALUES {rows}")
    database.run("SET GLOBAL time_zone = 'Europe/Berlin'", "SET SESSION time_zone = 'Europe/Berlin'")
    yield database
    database.run("SET GLOBAL time_zone = 'SYSTEM'")


def test_a_timestamp_in_the_hour_that_comes_twice_is_the_same_by_load_and_by_binlog(berlin: Database) -> None:
    position = berlin.server().position()
    berlin.run("CREATE TABLE t (at TIMESTAMP(3) PRIMARY KEY, d DATETIME)", "SET SESSION time_zone = '+00:00'")
    hours = [f"2024-10-27 {hour}:30:00.000" for hour in ("00", "01", "02")]
    berlin.run(*(f"INSERT INTO t VALUES ('{hour}', '2024-10-27 02:30:00')" for hour in hours))
    berlin.run("SET SESSION time_zone = 'Europe/Berlin'")
    assert {str(row[0]) for row in berlin.run("SELECT at FROM t")} == {"2024-10-27 02:30:00", "2024-10-27 03:30:00"}
    rows = [{"at": hour, "d": "2024-10-27 02:30:00"} for hour in hours]
    assert berlin.loaded("t", chunk_rows=1) == rows
    assert [change.after for change in berlin.rows_since(position)] == rows


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
