"""One real MariaDB server for all tests of this folder, and a fresh database for each."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest

from streamjoin.dms.source_table import Value
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import BinlogPosition, Change, ChangeStream, ChunkBounds, MysqlAddress, MysqlServer, RowChange

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Database:
    """A database of its own, and the server as a source."""

    mariadb: MariaDb
    name: str
    connection: "pymysql.Connection[Any]"

    @property
    def address(self) -> MysqlAddress:
        return MysqlAddress(self.mariadb.host, self.mariadb.port, self.mariadb.user, self.mariadb.password)

    def run(self, *statements: str) -> list[Any]:
        """Run statements on the test's own connection, each committed by itself; return the last one's rows."""
        with self.connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
            return list(cursor.fetchall())

    def selects(self, schema: str, table: str) -> bool:
        return schema == self.name

    def server(self) -> MysqlServer:
        return MysqlServer(self.address)

    def loaded(self, name: str, chunk_rows: int = 2) -> list[dict[str, Value]]:
        server = self.server()
        table = server.table(self.name, name)
        assert table is not None
        return [
            dict(row) for chunk in server.load(table, None, ChunkBounds(chunk_rows, 1_000_000)) for row in chunk.rows
        ]

    def changes_since(self, position: BinlogPosition) -> list[Change]:
        """Return everything from a position to the binlog's end now."""
        server = self.server()
        with server.changes(position, self.selects, server.tables(self.selects)) as stream:
            return collect(stream, server.position())

    def rows_since(self, position: BinlogPosition) -> list[RowChange]:
        return [change for change in self.changes_since(position) if isinstance(change, RowChange)]


def collect(stream: ChangeStream, until: BinlogPosition) -> list[Change]:
    taken: list[Change] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not stream.is_at(until):
        assert time.monotonic() < deadline, f"{until} was not reached; taken: {taken[-3:]}"
        taken += stream.take(1_000, 1.0)
    return taken


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as running:
        yield running


@contextmanager
def fresh_database(mariadb: MariaDb) -> Iterator[Database]:
    name = f"shop_{uuid.uuid4().hex[:12]}"
    mariadb.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    connection = mariadb.connect(name)
    connection.autocommit(True)
    yield Database(mariadb, name, connection)
    connection.close()
    mariadb.execute(f"DROP DATABASE {name}")


@pytest.fixture
def database(mariadb: MariaDb) -> Iterator[Database]:
    with fresh_database(mariadb) as made:
        yield made
