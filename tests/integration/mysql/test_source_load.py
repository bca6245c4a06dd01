# ruff: noqa: S608  (statements of a test's own database)
"""Full loads: every row once, in pages that can be gone on with, while others write."""

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import ChunkBounds, Committed, LoadedChunk, RowChange
from tests.integration.mysql.conftest import Database, collect, fresh_database

ID = SourceColumn("id", ColumnKind.INTEGER, "int")
KEYS: dict[str, list[Any]] = {
    "BIGINT": [-5, 0, 7, 2**62],
    "VARCHAR(20)": ["", "a", "B", "ö", "zz ", "ß", "中"],
    "VARCHAR(20) CHARACTER SET latin1": ["", "a", "é", "z"],
    "CHAR(3) COLLATE utf8mb4_bin": ["A", "a", "b"],
    "BINARY(3)": [b"\0\0\0", b"\0\1\0", b"\xff\xff\xff"],
    "DECIMAL(10,3)": [Decimal("-1.500"), Decimal("0.000"), Decimal("0.001")],
    "DOUBLE": [-1.5, 0.1, 0.2, 1e300],
    "DATE": ["0000-00-00", "2024-01-01"],
    "TIME(2)": ["-10:00:00.50", "-00:00:00.10", "00:00:00.00", "123:00:00.01"],
    "DATETIME(3)": ["1000-01-01 00:00:00.000", "2024-01-01 00:00:00.001", "2024-01-01 00:00:00.002"],
    "TIMESTAMP(6)": ["2001-01-01 00:00:00.000001", "2001-01-01 00:00:00.000002"],
    "YEAR": [0, 1901, 2155],
    "BIT(12)": [0, 1, 4095],
    "ENUM('z','y','x')": ["z", "y", "x"],
    "SET('b','a')": ["b", "a", "b,a"],
    "FLOAT": [-1.1, 0.1, 0.3],
}


def chunks_of(
    database: Database, rows: int, after: tuple[Any, ...] | None = None, *, max_bytes: int = 1_000_000, table: str = "t"
) -> list[LoadedChunk]:
    server = database.server()
    known = server.table(database.name, table)
    assert known is not None
    return list(server.load(known, after, ChunkBounds(rows, max_bytes)))


@pytest.fixture(scope="module")
def keyed(mariadb: MariaDb) -> Iterator[Database]:
    """A database with a table for each kind of key, in their order."""
    with fresh_database(mariadb) as database:
        database.run("SET SESSION sql_mode = '', time_zone = '+00:00'")
        for table, (declared, values) in enumerate(KEYS.items()):
            database.run(f"CREATE TABLE t{table} (k {declared}, n INT, PRIMARY KEY (k, n))")
            with database.connection.cursor() as cursor:
                rows = [(value, number) for value in values for number in (1, 2, 3)]
                cursor.executemany(f"INSERT INTO t{table} VALUES (%s, %s)", rows)
        yield database


@pytest.mark.parametrize("declared", KEYS)
def test_each_row_is_read_once_whatever_its_key_is(keyed: Database, declared: str) -> None:
    expected = [(value, number) for value in KEYS[declared] for number in (1, 2, 3)]
    for rows in (1, 2, 100):
        chunks = chunks_of(keyed, rows, table=f"t{list(KEYS).index(declared)}")
        found = [(row["k"], row["n"]) for chunk in chunks for row in chunk.rows]
        assert sorted(found, key=repr) == sorted(expected, key=repr), f"in chunks of {rows}"
        assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True], f"in chunks of {rows}"


def test_a_load_goes_on_where_it_stopped(database: Database) -> None:
    database.run("CREATE TABLE t (a VARCHAR(5), b INT, PRIMARY KEY (a, b))")
    database.run("INSERT INTO t VALUES " + ", ".join(f"('{a}', {b})" for a in "xyz" for b in range(4)))
    whole = chunks_of(database, 5)
    assert [len(chunk.rows) for chunk in whole] == [5, 5, 2]
    assert whole[0].last_key == ("y", 0)
    assert [chunk.rows for chunk in chunks_of(database, 5, whole[0].last_key)] == [chunk.rows for chunk in whole[1:]]


@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
@pytest.mark.parametrize("rows", [0, 4, 5])
def test_the_end_of_a_table_is_told(database: Database, key: str, rows: int) -> None:
    database.run(f"CREATE TABLE t (id INT {key})", *(f"INSERT INTO t VALUES ({i})" for i in range(rows)))
    chunks = chunks_of(database, 4)
    assert sum(len(chunk.rows) for chunk in chunks) == rows
    assert [chunk.is_last for chunk in chunks][-1]
    assert not any(chunk.is_last for chunk in chunks[:-1])


@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
def test_a_chunk_ends_with_the_row_that_reaches_its_bytes(database: Database, key: str) -> None:
    database.run(f"CREATE TABLE t (id INT {key}, v VARCHAR(1000))")
    lengths = [10, 900, 400, 400, 400, 20, 20, 20, 1000, 1]
    database.run(*(f"INSERT INTO t VALUES ({i}, REPEAT('x', {length}))" for i, length in enumerate(lengths)))
    chunks = chunks_of(database, 100, max_bytes=1_000)
    assert [row["id"] for chunk in chunks for row in chunk.rows] == [*range(len(lengths))]
    for chunk in chunks:
        # Each row has its id too, of one byte.
        assert sum(len(str(row["v"])) + 1 for row in chunk.rows[:-1]) < 1_000
    assert len(chunks) >= 3
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_bounds_that_the_server_has_for_others_bound_no_load(any_database: Database) -> None:
    database = any_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3), (4), (5)")
    bounds = {"sql_select_limit": 2, "max_join_size": 2, "completion_type": 1, "wait_timeout": 1}
    bounds["max_execution_time" if database.mariadb.system == "MySQL" else "max_statement_time"] = 1
    database.run(*(f"SET GLOBAL {name} = {value}" for name, value in bounds.items()))
    try:
        chunks = database.server().load(SourceTable(database.name, "t", (ID,), ("id",)), None, ChunkBounds(3, 1_000))
        rows = [dict(row) for row in next(chunks).rows]
        # Longer than the server waits for anybody else.
        time.sleep(1.5)
        rows += [dict(row) for chunk in chunks for row in chunk.rows]
    finally:
        database.run(*(f"SET GLOBAL {name} = DEFAULT" for name in bounds))
    assert rows == [{"id": number} for number in range(1, 6)]


def test_a_table_without_a_key_is_read_as_one_snapshot(database: Database) -> None:
    database.run("CREATE TABLE t (v INT)", *(f"INSERT INTO t VALUES ({i})" for i in range(6)))
    server = database.server()
    table = server.table(database.name, "t")
    assert table is not None
    chunks = server.load(table, None, ChunkBounds(2, 1_000))
    first = next(chunks)
    database.run("UPDATE t SET v = -1")
    rest = list(chunks)
    assert [row["v"] for chunk in [first, *rest] for row in chunk.rows] == [*range(6)]
    assert {(chunk.position, chunk.last_key) for chunk in [first, *rest]} == {(first.position, None)}


def test_rows_are_exactly_those_of_the_position(database: Database) -> None:
    """The load of a chunk, with the changes behind its position, is the table: also while others commit."""
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    database.run("INSERT INTO t VALUES " + ", ".join(f"({i}, 0)" for i in range(50)))
    server, stop = database.server(), threading.Event()
    start = server.position()

    def write() -> None:
        connection = database.mariadb.connect(database.name)
        connection.autocommit(True)
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("UPDATE t SET v = v + 1 WHERE id % 7 = 0")
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        chunks = [chunk for _ in range(10) for chunk in chunks_of(database, 1_000)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    with server.changes(start, database.selects, server.tables(database.selects)) as stream:
        changes = collect(stream, server.position())
    for chunk in chunks:
        state: dict[Any, Any] = dict.fromkeys(range(50), 0)
        for change in changes:
            if isinstance(change, RowChange) and change.after and change.position.order <= chunk.position.order:
                state[change.after["id"]] = change.after["v"]
        assert {row["id"]: row["v"] for row in chunk.rows} == state
        assert chunk.position.order in {start.order, *(c.position.order for c in changes if isinstance(c, Committed))}


def test_a_column_that_went_away_is_a_retryable_error(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
    server = database.server()
    table = server.table(database.name, "t")
    assert table is not None
    database.run("ALTER TABLE t DROP COLUMN v")
    with pytest.raises(SourceError, match=r"reading table.*Unknown column") as error:
        list(server.load(table, None, ChunkBounds(10, 1_000)))
    assert error.value.retryable
    database.run("DROP TABLE t")
    assert server.table(database.name, "t") is None


def test_what_cant_be_replicated_is_named_with_its_reason(database: Database) -> None:
    database.run(
        "CREATE TABLE u (id UUID PRIMARY KEY, ok INT)",
        "CREATE TABLE c (id INT PRIMARY KEY, v VARCHAR(100) COMPRESSED)",
        "CREATE TABLE v (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
        "CREATE VIEW w AS SELECT 1",
        "CREATE TABLE fine (id INT PRIMARY KEY)",
    )
    found = {table.name: table.problems for table in database.server().tables(database.selects)}
    assert sorted(found) == ["c", "fine", "u", "v"]
    assert found["fine"] == ()
    for name, part in (("u", "'id' has the type 'uuid'"), ("c", "compressed"), ("v", "system-versioned")):
        (problem,) = found[name]
        assert part in problem
        assert "exclude" in problem
