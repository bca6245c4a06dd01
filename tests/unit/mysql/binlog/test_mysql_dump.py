"""How the server's sending ends: never without a word while it is followed."""

from typing import Any

import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql import BinlogPosition, MysqlAddress
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.binlog.known_tables import KnownTables
from streamjoin.mysql.stream import ChangeStream
from tests.faults.mysql import CHARSETS, END_PACKET, XID, DumpConnection, event_packet

START = BinlogPosition("binlog.000001", 4)


def dump(*packets: bytes | tuple[int, str], follow: bool = True) -> BinlogDump:
    def opened(*_: object, **__: object) -> Any:
        return DumpConnection(*packets)

    started = BinlogDump(MysqlAddress("db.example", 3306, "reader", "a secret"), 7, opened)
    started.start(START, is_mariadb=False, by_gtid=False, follow=follow)
    return started


def test_an_end_packet_while_following_is_an_error_that_may_pass() -> None:
    events = dump(event_packet(XID, bytes(8), 31), END_PACKET).events()
    assert next(events).end == 31
    with pytest.raises(SourceError, match=r"source 'reader@db.example:3306': the server ended the binlog") as raised:
        next(events)
    assert raised.value.retryable


def test_an_end_packet_is_the_end_if_following_was_not_asked_for() -> None:
    (event,) = dump(event_packet(XID, bytes(8), 31), END_PACKET, follow=False).events()
    assert event.type == XID


def test_only_a_place_that_is_gone_is_data_loss() -> None:
    gone = (1236, "Could not find first log file name in binary log index file")
    with pytest.raises(DataLossError, match="--reload"):
        next(dump(gone).events())
    for other, said, retryable in (
        ("log event entry exceeded max_allowed_packet; Increase max_allowed_packet", "log event entry exceeded", False),
        ("A replica with the same server_uuid/server_id has connected to the source", "another replica came", True),
    ):
        with pytest.raises(SourceError, match=said) as raised:
            next(dump((1236, other)).events())
        assert not isinstance(raised.value, DataLossError)
        assert raised.value.retryable == retryable


def test_a_stream_whose_binlog_was_ended_gives_what_came_before_it_and_the_error_then() -> None:
    known = KnownTables(lambda schema, name: True, (), folds_case=False)
    decoder = BinlogDecoder(START, known, CHARSETS, is_mariadb=False)
    with ChangeStream(dump(event_packet(XID, bytes(8), 31), END_PACKET), decoder) as stream:
        (committed,) = stream.take(10, 30.0)
        assert committed.position.offset == 31
        with pytest.raises(SourceError, match="ended the binlog"):
            stream.take(10, 30.0)
