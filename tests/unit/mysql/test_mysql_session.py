"""What is asked of a MySQL server, which the tests have none of: statements, ids, places to load from."""

import ssl

import pymysql
import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql import MysqlServer
from streamjoin.mysql.address import MysqlAddress, connect, errors_of
from streamjoin.mysql.catalog import table_and_place
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.mysql.positions import StartBy, end_position, start_by
from streamjoin.mysql.snapshots import Snapshots
from tests.faults.mysql import UUID, FakeConnection, fake_session

PARSE_ERROR, DENIED = 1064, 1227
STATUS = [(b"binlog.000009", b"157", b"", b"", f"{UUID.upper()}:1-5,\n{UUID}:7".encode())]
FILES = [(b"binlog.000008", b"500", b"No"), (b"binlog.000009", b"157", b"No")]
HERE = BinlogPosition("binlog.000008", 400, f"{UUID}:1-4")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def nowhere(position: BinlogPosition) -> BinlogPosition:
    raise DataLossError("purged")


@pytest.mark.parametrize("known", ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"])
def test_the_binlogs_end_is_asked_in_the_words_of_old_and_new_servers(known):
    session, _ = fake_session({known: STATUS, "SHOW": PARSE_ERROR})
    assert end_position(session) == BinlogPosition("binlog.000009", 157, f"{UUID}:1-5:7")


@pytest.mark.parametrize("code", [1146, 1049, 1356], ids=["table", "database", "view"])
def test_a_table_that_is_gone_with_its_database_or_made_a_view_of_what_is_gone_is_none(code):
    session, _ = fake_session({"LIMIT 0": code, "STATUS": STATUS})
    table, place = table_and_place(session, "shop", "t")
    assert (table, place.file) == (None, "binlog.000009")


def test_ids_with_tags_are_left_out_of_a_position():
    status = [(*STATUS[0][:4], f"{UUID}:tag:1-5".encode())]
    session, _ = fake_session({"STATUS": status})
    assert end_position(session).gtid is None


def test_a_refusal_is_not_taken_for_an_unknown_statement():
    session, connection = fake_session({"STATUS": DENIED})
    with pytest.raises(SourceError, match="1227"):
        end_position(session)
    assert [sql for sql in connection.asked if "STATUS" in sql] == ["SHOW BINARY LOG STATUS"]


def test_file_and_offset_lead_on_if_the_server_has_the_transactions():
    session, _ = fake_session({"SHOW BINARY LOGS": FILES, "GTID_SUBSET": [(1,)]})
    assert start_by(session, HERE, nowhere) == StartBy.OFFSET


def test_ids_lead_on_only_forward():
    session, _ = fake_session({"SHOW BINARY LOGS": FILES, "GTID_SUBSET": [(0,)]})
    assert start_by(session, HERE, lambda _: BinlogPosition("other.000009", 4)) == StartBy.GTID
    with pytest.raises(DataLossError, match=r"another transaction.*--reload"):
        start_by(session, HERE, lambda _: BinlogPosition("other.000007", 4))


@pytest.mark.parametrize(
    "position", [BinlogPosition("binlog.000001", 4, HERE.gtid), BinlogPosition("binlog.000008", 501)]
)
def test_a_place_that_is_gone_is_data_loss(position):
    session, _ = fake_session({"SHOW BINARY LOGS": FILES, "GTID_SUBSET": [(1,)]})
    with pytest.raises(DataLossError, match=r"first file is 'binlog\.000008'.*--reload.*binlog_expire_logs_seconds"):
        start_by(session, position, nowhere)


def test_a_load_waits_for_what_is_in_the_binlog_and_not_yet_seen():
    owned = iter([f"{UUID}:8#31:9#32", f"{UUID}:9#32:10#33", f"{UUID}:10#33"])
    clock = Clock()
    session, connection = fake_session(
        {"gtid_mode": [(b"ON",)], "STATUS": STATUS, "gtid_owned": lambda: [(next(owned).encode(),)]}
    )
    with Snapshots(session, sleep=clock.sleep, monotonic=clock.monotonic).snapshot() as position:
        assert position.order == (9, 157)
    # 10 came after the position was noted, so that it isn't waited for.
    assert connection.asked.count("SELECT @@global.gtid_owned") == 3
    noted = next(index for index, sql in enumerate(connection.asked) if "STATUS" in sql)
    begun = next(index for index, sql in enumerate(connection.asked) if "START TRANSACTION" in sql)
    assert noted < connection.asked.index("SELECT @@global.gtid_owned") < begun
    assert connection.asked[-1] == "COMMIT"


def test_a_commit_that_hangs_is_an_error_that_may_pass():
    clock = Clock()
    owned = [(f"{UUID}:8#31".encode(),)]
    session, _ = fake_session({"gtid_mode": [(b"ON",)], "STATUS": STATUS, "gtid_owned": owned})
    with pytest.raises(SourceError, match="has been committing for 60 s") as error:
        Snapshots(session, sleep=clock.sleep, monotonic=clock.monotonic).snapshot().__enter__()
    assert error.value.retryable


@pytest.mark.parametrize(("replayed_bytes", "begun"), [(None, 0), (153, 0), (152, 1), (0, 1)])
def test_without_ids_a_load_begins_a_binlog_file_once_if_the_newest_is_long(replayed_bytes, begun):
    session, connection = fake_session({"gtid_mode": [(b"OFF",)], "STATUS": STATUS})
    snapshots = Snapshots(session, replayed_bytes=replayed_bytes)
    for _ in range(3):
        with snapshots.snapshot() as position:
            assert position.order == (9, 4)
    assert [sql for sql in connection.asked if "FLUSH" in sql] == ["FLUSH BINARY LOGS"] * begun
    assert not [sql for sql in connection.asked if "LOCK" in sql]


def test_without_ids_and_the_right_to_begin_a_file_rows_count_as_of_the_files_beginning(caplog):
    caplog.set_level("INFO")
    session, connection = fake_session({"gtid_mode": [(b"OFF",)], "FLUSH": DENIED, "STATUS": STATUS})
    snapshots = Snapshots(session, replayed_bytes=0)
    for _ in range(2):
        with snapshots.snapshot() as position:
            assert position == BinlogPosition("binlog.000009", 4)
    assert len([sql for sql in connection.asked if "FLUSH" in sql]) == 1
    assert caplog.text.count("count as of binlog.000009:4 (neither GTID nor RELOAD") == 1


@pytest.mark.parametrize(("value", "folds_case"), [(b"0", False), (b"1", True), (b"2", True)])
def test_whether_names_have_case_is_asked_once(value, folds_case):
    session, connection = fake_session({"lower_case_table_names": [(value,)]})
    server = MysqlServer(session.address)
    server._session = session
    assert [server.folds_case(), server.folds_case()] == [folds_case] * 2
    assert connection.asked == ["SELECT @@global.lower_case_table_names"]


def test_a_closed_session_connects_again():
    session, connection = fake_session({"SELECT 1": [(1,)]})
    assert isinstance(connection, FakeConnection)
    session.ask("SELECT 1")
    session.close()
    assert session.ask("SELECT 1") == ((1,),)


@pytest.mark.parametrize(
    ("cause", "said", "retryable"),
    [
        (ssl.SSLCertVerificationError("self-signed certificate"), "an authority of those in '/ca.pem'", False),
        (ssl.SSLError("unsupported protocol"), "source.mysql.tls wants TLS 1.2 or later", False),
        (ssl.SSLEOFError("unexpected end"), "check source.mysql.host and port", True),
    ],
)
def test_what_is_wrong_with_tls_is_said_and_final(cause: ssl.SSLError, said: str, retryable: bool):
    error = pymysql.err.OperationalError(2003, f"Can't connect ({cause})")
    error.original_exception = cause  # type: ignore[attr-defined]  (as the library does)
    address = MysqlAddress("db", 3306, "repl", "secret", tls="/ca.pem")
    with pytest.raises(SourceError) as raised, errors_of(address, "connecting"):
        raise error
    assert said in str(raised.value)
    assert raised.value.retryable == retryable


def test_a_server_that_is_not_there_is_said_with_the_keys_to_look_at():
    address = MysqlAddress(host="127.0.0.1", port=1, user="repl", password="secret")  # noqa: S106
    with pytest.raises(SourceError, match=r"check source.mysql.host and port, and that the server runs") as raised:
        connect(address)
    assert raised.value.retryable
