"""A real server of each kind for all tests of this folder, started if one asks for it, and a fresh database for each.

`database` is on MariaDB; `mysql_database` is on MySQL 8.0.12 and on 5.7.22, with the settings and grants of the
mission's first system: no `binlog_row_metadata=FULL`, no GTID, no RELOAD, no checksums.
"""

import uuid
from collections.abc import Iterator


def _running(release: MysqlRelease) -> Iterator[MariaDb]:
    try:
        found = program(release)
    except CantRunError as error:
        pytest.skip(str(error))
    with MariaDb(MISSION_OPTIONS, found) as running:
        yield running


@pytest.fixture(scope="session")
def mysql80() -> Iterator[MariaDb]:
    yield from _running(MYSQL_80)


@pytest.fixture(scope="session")
def mysql57() -> Iterator[MariaDb]:
    yield from _running(MYSQL_57)


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


@pytest.fixture(params=["mysql57", "mysql80"])
def mysql_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with mission_database(request.getfixturevalue(request.param)) as made:
        yield made
