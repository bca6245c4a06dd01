"""What is wrong with a server or a user is said before anything starts, all at once."""

import uuid
from dataclasses import replace

import pytest

from streamjoin.errors import SourceError
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import ChunkBounds, MysqlAddress, MysqlServer
from tests.integration.mysql.conftest import Database

SECRET = "a secret of the test"  # noqa: S105


def user_with(database: Database, *privileges: str) -> MysqlAddress:
    user = f"u{uuid.uuid4().hex[:10]}"
    database.mariadb.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{SECRET}'")
    for privilege in privileges:
        database.mariadb.execute(f"GRANT {privilege} TO '{user}'@'%'")
    return replace(database.address, user=user, password=SECRET)


def said(address: MysqlAddress, database: Database) -> str:
    with pytest.raises(SourceError) as error:
        MysqlServer(address).preflight(database.selects, database.selects, [(database.name, "t")])
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.fixture
def table(database: Database) -> str:
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    return "t"


def statements(message: str) -> list[str]:
    return [line.strip() for line in message.splitlines() if line.strip().endswith(";")]


def test_the_statements_that_are_printed_are_those_that_are_missing_and_they_are_enough(any_database: Database) -> None:
    database = any_database
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    address = user_with(database)
    user = f"'{address.user}'@'%'"
    replica = f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user};"
    select = f"GRANT SELECT ON `{database.name}`.`t` TO {user};"
    message = said(address, database)
    assert "no selected table is to be seen" in message
    assert f"table '{database.name}.t' is not seen" in message
    assert statements(message) == [replica, select]
    database.run(f"GRANT INSERT ON t TO {user}", f"GRANT REPLICATION SLAVE ON *.* TO {user}")
    message = said(address, database)
    assert f"table '{database.name}.t': the user may not read it" in message
    assert statements(message) == [f"GRANT REPLICATION CLIENT ON *.* TO {user};", select]
    database.run(f"REVOKE REPLICATION SLAVE ON *.* FROM {user}", *(each.rstrip(";") for each in statements(message)))
    assert statements(said(address, database)) == [f"GRANT REPLICATION SLAVE ON *.* TO {user};"]
    database.run(replica.rstrip(";"))
    server = MysqlServer(address)
    server.preflight(database.selects, database.selects)
    known = server.tables(database.selects)
    with server.changes(server.position(), database.selects, known) as stream:
        database.run("INSERT INTO t VALUES (1)")
        assert stream.take(10, 30.0)
    assert [chunk.rows for chunk in server.load(known[0], None, ChunkBounds(10, 1_000))] == [({"id": 1},)]


def test_a_job_that_had_tables_goes_on_without_one_and_says_so(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    MysqlServer(database.address).preflight(database.selects, database.selects, may_have_none=True)
    assert "no selected table is to be seen" in caplog.text


def test_rows_that_a_foreign_key_changes_unseen_are_refused_by_name(database: Database, table: str) -> None:
    database.run("CREATE TABLE child (id INT PRIMARY KEY, t INT, CONSTRAINT of_t FOREIGN KEY (t) REFERENCES t (id))")
    MysqlServer(database.address).preflight(database.selects, database.selects)
    database.run("DROP TABLE child")
    database.run(
        "CREATE TABLE child (id INT PRIMARY KEY, t INT, "
        "CONSTRAINT of_t FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE ON UPDATE SET NULL)"
    )
    # What no rule names is left out by the job itself.
    MysqlServer(database.address).preflight(database.selects, lambda schema, name: name != "child")
    message = said(database.address, database)
    assert f"'{database.name}.child': its foreign key 'of_t' has ON DELETE CASCADE and ON UPDATE SET NULL" in message


def test_everything_wrong_with_the_settings_is_said_at_once() -> None:
    options = ["--binlog-format=MIXED", "--binlog-row-image=MINIMAL"]
    with MariaDb(options) as mariadb:
        mariadb.execute("CREATE DATABASE shop")
        mariadb.execute("CREATE TABLE shop.t (id INT PRIMARY KEY)")
        database = Database(mariadb, "shop", mariadb.connect())
        message = said(database.address, database)
    for part in (
        "binlog_format is MIXED",
        "binlog_row_image is MINIMAL",
        "SET GLOBAL",
    ):
        assert part in message
    assert "GRANT" not in message


def test_a_server_without_a_binlog_is_refused() -> None:
    with MariaDb(["--skip-log-bin"]) as mariadb:
        mariadb.execute("CREATE DATABASE shop")
        mariadb.execute("CREATE TABLE shop.t (id INT PRIMARY KEY)")
        database = Database(mariadb, "shop", mariadb.connect())
        assert "log_bin is OFF" in said(database.address, database)
        with pytest.raises(SourceError, match="writes no binlog"):
            database.server().position()


def test_a_wrong_password_is_final_and_in_no_message(database: Database) -> None:
    with pytest.raises(SourceError, match=r"connecting failed with 1045.*source\.mysql\.user") as error:
        MysqlServer(replace(database.address, password=SECRET)).identity()
    assert not error.value.retryable
    assert SECRET not in str(error.value)
    assert SECRET not in repr(replace(database.address, password=SECRET))


def test_a_server_that_isnt_there_may_be_tried_again(database: Database) -> None:
    with pytest.raises(SourceError) as error:
        MysqlServer(replace(database.address, port=1)).identity()
    assert error.value.retryable


def test_a_server_without_tls_is_refused_if_it_is_wanted(database: Database) -> None:
    with pytest.raises(SourceError, match=r"2026.*source\.mysql\.tls wants TLS, and the server has none"):
        MysqlServer(replace(database.address, tls=True)).identity()
    with pytest.raises(SourceError, match=r"'/nowhere\.pem' can't be read.*source\.mysql\.tls\.ca_file"):
        MysqlServer(replace(database.address, tls="/nowhere.pem")).identity()
