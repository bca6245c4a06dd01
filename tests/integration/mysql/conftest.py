"""A real server of each kind for all tests of this folder, started if one asks for it, and a fresh database for each.

`database` is on MariaDB; `mysql_database` is on MySQL 8.0.12 and on 5.7.22, with the settings and grants of the
mission's first system: no `binlog_row_metadata=FULL`, no GTID, no RELOAD, no checksums.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pymysql
import pytest

from streamjoin.dms.source_table import Value
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import BinlogPosition, Change, ChangeStream, ChunkBounds, MysqlAddress, MysqlServer, RowChange

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Database:
    """A database of its own, and the server as a source, which is asked as `user` (empty: one with all privileges)."""

    mariadb: MariaDb
    name: str
    connection: "pymysql.Connection[Any]"
    user: str = ""

    @property
    def address(self) -> MysqlAddress:
        return MysqlAddress(self.mariadb.host, self.mariadb.port, self.user or self.mariadb.user, self.mariadb.password)

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
def fresh_database(server: MariaDb) -> Iterator[Database]:
    name = f"shop_{uuid.uuid4().hex[:12]}"
    server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    connection = server.connect(name)
    connection.autocommit(True)
    yield Database(server, name, connection)
    connection.close()
    server.execute(f"DROP DATABASE {name}")


@contextmanager
def mission_database(server: MariaDb) -> Iterator[Database]:
    """Make a fresh database with a user of its own, who has the grants of the first system alone."""
    with fresh_database(server) as made:
        user = f"u_{made.name}"
        server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY '{server.password}'")
        server.execute(f"GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO {user}@'%'")
        server.execute(f"GRANT SELECT ON {made.name}.* TO {user}@'%'")
        yield replace(made, user=user)
        server.execute(f"DROP USER {user}@'%'")


@pytest.fixture
def database(mariadb: MariaDb) -> Iterator[Database]:
    with fresh_database(mariadb) as made:
        yield made


@pytest.fixture(params=["mariadb", "mysql57", "mysql80"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    server = request.getfixturevalue(request.param)
    with fresh_database(server) if request.param == "mariadb" else mission_database(server) as made:
        yield made


@pytest.fixture(params=["mysql57", "mysql80"])
def mysql_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with mission_database(request.getfixturevalue(request.param)) as made:
        yield made
