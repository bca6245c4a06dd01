# ruff: noqa: S608  (statements of a test's own database)
"""Places in the binlog: where reading may start again, what is there, what is gone."""

import re
import time
from dataclasses import replace

import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import BinlogPosition, Change, Committed, RowChange
from tests.integration.mysql.conftest import DEADLINE_SECONDS, Database, collect


def rows_of(changes: list[Change]) -> list[object]:
    return [change.after and change.after["id"] for change in changes if isinstance(change, RowChange)]


def purge(database: Database) -> None:
    """Remove all files but the last; the server may keep one for a moment, as its own recovery could need it."""
    newest, deadline = database.server().position().file, time.monotonic() + DEADLINE_SECONDS
    while len(database.run(f"PURGE BINARY LOGS TO '{newest}'", "SHOW BINARY LOGS")) > 1:
        assert time.monotonic() < deadline


@pytest.fixture
def table(database: Database) -> str:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))")
    return "t"


def test_a_new_stream_goes_on_at_any_commit(database: Database, table: str) -> None:
    start = database.server().position()
    for first in range(0, 12, 3):
        database.run("BEGIN", *(f"INSERT INTO t (id) VALUES ({first + i})" for i in range(3)), "COMMIT")
    database.run("FLUSH BINARY LOGS", "INSERT INTO t (id) VALUES (12)")
    changes = database.changes_since(start)
    assert rows_of(changes) == [*range(13)]
    commits = [index for index, change in enumerate(changes) if isinstance(change, Committed)]
    for index in commits:
        change = changes[index]
        assert isinstance(change, Committed)
        assert rows_of(database.changes_since(change.position)) == rows_of(changes[index:])


def test_positions_grow_and_are_the_same_in_every_stream(database: Database, table: str) -> None:
    start = database.server().position()
    database.run("BEGIN", *(f"INSERT INTO t VALUES ({i}, REPEAT('x', {i}))" for i in range(50)), "UPDATE t SET v = 'y'")
    database.run("COMMIT", "INSERT INTO t (id) VALUES (99)")
    first, second = database.changes_since(start), database.changes_since(start)
    orders = [(*c.position.order, c.row) if isinstance(c, RowChange) else (*c.position.order, -1) for c in first]
    rows = [order for order, change in zip(orders, first, strict=True) if isinstance(change, RowChange)]
    assert rows == sorted(set(rows))
    assert first == second
    ends = [change.position.order for change in first if isinstance(change, Committed)]
    assert start.order < rows[0][:2] <= ends[0] < rows[-1][:2] <= ends[-1] == database.server().position().order


def test_the_position_of_a_commit_carries_what_the_server_calls_it(database: Database, table: str) -> None:
    start = database.server().position()
    database.run("INSERT INTO t (id) VALUES (1)", "SET SESSION gtid_domain_id = 7", "INSERT INTO t (id) VALUES (2)")
    last = database.changes_since(start)[-1].position
    assert last == database.server().position()
    assert re.fullmatch(r"0-1-\d+,7-1-1", last.gtid or "")


def test_ids_lead_on_if_the_files_have_other_names(database: Database, table: str) -> None:
    start = database.server().position()
    database.run("INSERT INTO t (id) VALUES (1)")
    renamed = replace(start, file="mysql-bin.000000")
    assert rows_of(database.changes_since(renamed)) == [1]


def test_a_file_that_is_another_one_is_noticed(database: Database, table: str) -> None:
    start = database.server().position()
    server = database.server()
    with pytest.raises(DataLossError, match=r"no longer has the position.*another transaction.*--reload"):
        server.changes(replace(start, gtid="0-1-1"), database.selects, ())
    with pytest.raises(DataLossError, match=r"first file is.*--reload"):
        server.changes(BinlogPosition("binlog.000099", 4), database.selects, ())


def test_a_purged_binlog_names_the_remedy() -> None:
    with MariaDb(["--slave-connections-needed-for-purge=0"]) as mariadb:
        database = Database(mariadb, "shop", mariadb.connect())
        database.connection.autocommit(True)
        database.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
        start = database.server().position()
        database.run("INSERT INTO shop.t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO shop.t VALUES (2)")
        database.run("FLUSH BINARY LOGS")
        assert rows_of(database.changes_since(start)) == [1, 2]
        newest = database.server().position().file
        purge(database)
        with pytest.raises(DataLossError, match=f"{start.file}.*{newest}.*--reload"):
            database.changes_since(start)
        database.run("RESET MASTER")
        with pytest.raises(DataLossError, match="--reload"):
            database.changes_since(start)


def test_a_purged_file_that_ended_at_the_position_is_not_missed() -> None:
    with MariaDb(["--slave-connections-needed-for-purge=0"]) as mariadb:
        database = Database(mariadb, "shop", mariadb.connect())
        database.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
        start = database.server().position()
        database.run("FLUSH BINARY LOGS")
        mariadb.execute("INSERT INTO shop.t VALUES (1)")
        purge(database)
        assert rows_of(database.changes_since(start)) == [1]


def test_a_restarted_server_is_a_retryable_error_and_nothing_is_lost() -> None:
    with MariaDb() as mariadb:
        database = Database(mariadb, "shop", mariadb.connect())
        database.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
        server = database.server()
        start = server.position()
        database.connection.autocommit(True)
        database.run("INSERT INTO shop.t VALUES (1)")
        identity = server.identity()
        with server.changes(start, database.selects, ()) as stream:
            taken = collect(stream, server.position())
            mariadb.stop()
            with pytest.raises(SourceError) as stopped:
                while True:
                    taken += stream.take(10, 30.0)
        assert stopped.value.retryable
        with pytest.raises(SourceError) as refused:
            server.position()
        assert refused.value.retryable
        mariadb.start()
        mariadb.execute("INSERT INTO shop.t VALUES (2)")
        assert server.identity() == identity
        last = [change.position for change in taken if isinstance(change, Committed)][-1]
        assert rows_of(taken) == [1]
        assert rows_of(database.changes_since(last)) == [2]


def test_a_killed_dump_is_a_retryable_error_and_nothing_is_lost(database: Database, table: str) -> None:
    server = database.server()
    start = server.position()
    database.run("INSERT INTO t (id) VALUES (1)")
    with server.changes(start, database.selects, ()) as stream:
        taken = collect(stream, server.position())
        dumps = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"
        for (number,) in database.run(dumps):
            database.run(f"KILL {int(number)}")
        with pytest.raises(SourceError) as killed:
            while True:
                taken += stream.take(10, 30.0)
    assert killed.value.retryable
    database.run("INSERT INTO t (id) VALUES (2)")
    last = [change.position for change in taken if isinstance(change, Committed)][-1]
    assert rows_of(taken) + rows_of(database.changes_since(last)) == [1, 2]


def test_what_is_not_selected_moves_the_position_on(database: Database, table: str) -> None:
    server = database.server()
    with server.changes(server.position(), lambda schema, name: False, ()) as stream:
        database.run("INSERT INTO t (id) VALUES (1)", "FLUSH BINARY LOGS")
        changes = collect(stream, server.position())
    assert {type(change) for change in changes} == {Committed}


def test_nothing_is_taken_when_nothing_happens(database: Database, table: str) -> None:
    server = database.server()
    position = server.position()
    with server.changes(position, database.selects, ()) as stream:
        assert stream.is_at(position)
        assert stream.take(10, 0.05) == []


def test_a_transaction_can_be_taken_in_parts(database: Database, table: str) -> None:
    server = database.server()
    position = server.position()
    database.run("INSERT INTO t (id) VALUES " + ", ".join(f"({number})" for number in range(1_000)))
    with server.changes(position, database.selects, ()) as stream:
        first = stream.take(10, 30.0)
        assert rows_of(first) == [*range(10)]
        assert not stream.is_at(server.position())
        assert rows_of(collect(stream, server.position())) == [*range(10, 1_000)]


def test_an_image_without_all_columns_is_refused(database: Database, table: str) -> None:
    database.run("INSERT INTO t VALUES (1, 'x')")
    position = database.server().position()
    database.run("SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE t SET v = 'y'")
    with pytest.raises(SourceError, match=r"without the columns.*binlog_row_image=FULL.*--reload"):
        database.changes_since(position)


def test_a_binlog_without_names_is_read_by_the_definition_of_its_place(database: Database, table: str) -> None:
    position = database.server().position()
    database.run("SET GLOBAL binlog_row_metadata = 'NO_LOG'")
    try:
        connection = database.mariadb.connect(database.name)
        connection.autocommit(True)
        with connection.cursor() as cursor:
            for sql in (
                "INSERT INTO t VALUES (1, 'x')",
                "ALTER TABLE t CHANGE v w VARCHAR(100), ADD COLUMN h TEXT, ADD UNIQUE (h)",
                "INSERT INTO t VALUES (2, 'y', 'hashed')",
            ):
                cursor.execute(sql)
        connection.close()
    finally:
        database.run("SET GLOBAL binlog_row_metadata = 'FULL'")
    assert [change.after for change in database.rows_since(position)] == [{"id": 2, "w": "y", "h": "hashed"}]
