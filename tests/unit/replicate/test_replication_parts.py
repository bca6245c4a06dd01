import json
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dms.rejected import RowRejected, RowRejectReason
from streamjoin.entry import parse_job
from streamjoin.errors import SinkError, SourceError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.mysql.changes import BinlogPosition, Committed, RowChange
from streamjoin.replicate.changes import ChangeReader
from streamjoin.replicate.job import mysql_address, password_of, version_of
from streamjoin.replicate.letters import LetterFolder, RejectedRow
from streamjoin.replicate.routes import Routes
from tests.faults.replication import Mappings
from tests.services.replication_server import definition

START = BinlogPosition("binlog.000001", 4)
REASON = RowRejected(RowRejectReason.EMPTY_KEY, "attribute 'v'")

places = st.tuples(st.integers(0, 9_999_999), st.integers(1, 9_999_999_999), st.integers(0, 10**13 - 1))


@given(
    one=st.tuples(places, st.integers(0, 9_999_999)),
    other=st.tuples(places, st.integers(0, 9_999_999)),
)
def test_versions_are_in_the_order_of_generation_file_offset_and_row_and_have_38_digits(one, other):
    def version(place):
        (generation, file, offset), row = place
        return version_of(generation, BinlogPosition(f"binlog.{file:06}", offset), row)

    assert (version(one) < version(other)) == (one < other)
    assert version(one) < 10**38


class Given:
    """A stream of what is given."""

    def __init__(self, *changes):
        self.changes, self.waited = list(changes), []

    def take(self, max_changes, timeout_seconds):
        self.waited.append(timeout_seconds)
        taken, self.changes = self.changes[:max_changes], self.changes[max_changes:]
        return taken


def change(offset: int, value: str = "x") -> RowChange:
    place = BinlogPosition("binlog.000001", offset)
    return RowChange(definition("t"), "insert", None, {"id": 1, "v": value}, place, 0, offset)


def commit(offset: int) -> Committed:
    return Committed(BinlogPosition("binlog.000001", offset), 0)


def test_a_batch_is_bounded_by_changes_and_by_bytes_and_loses_none():
    for limits, sizes in ((BatchLimits(2, 10**6), [2, 2, 1]), (BatchLimits(10, 300), [2, 2, 1])):
        stream = Given(*(change(n, "x" * 150) for n in range(10, 15)), commit(15))
        reader = ChangeReader(stream, START, START, limits)
        batches = [reader.next(1.0) for _ in range(3)]
        assert [len(batch.rows) for batch in batches] == sizes
        assert [batch.position.offset for batch in batches] == [4, 4, 15]


def test_only_the_first_change_is_waited_for():
    stream = Given(change(10), commit(11), change(12), commit(13))
    batch = ChangeReader(stream, START, START, BatchLimits(100, 10**6)).next(1.0)
    assert stream.waited == [1.0, 0.0]
    assert (len(batch.rows), batch.position.offset, batch.changed_at_ms) == (2, 13, 12)


def test_a_replay_ends_behind_the_end_that_was_noted():
    stream = Given(change(10), change(11), commit(11), change(12))
    reader = ChangeReader(stream, START, BinlogPosition("binlog.000001", 11), BatchLimits(1, 10**6))
    batches = [reader.next(0.0) for _ in range(3)]
    assert [(batch.is_replay, batch.is_caught_up) for batch in batches] == [(True, False), (True, False), (False, True)]


def test_transactions_of_other_tables_without_end_do_not_keep_a_batch_from_ending():
    class Endless:
        offset = 4

        def take(self, max_changes, timeout_seconds):
            self.offset += 1
            assert self.offset < 1_000, "still reading"
            return [commit(self.offset)]

    reader = ChangeReader(Endless(), START, BinlogPosition("binlog.000001", 40), BatchLimits(20, 10**6))
    batches = [reader.next(1.0) for _ in range(2)]
    assert [(batch.position.offset, batch.is_caught_up) for batch in batches] == [(25, False), (46, True)]


def test_tables_are_loaded_in_the_order_of_the_rules():
    routes = Routes(Mappings({"a": "A", "b": "B", "c": "C"}, orders={"b": 2, "c": 1}), lambda mapping: None)
    assert [t.name for t in routes.in_load_order(map(definition, "abc"))] == ["b", "c", "a"]


def test_a_target_is_prepared_once_whatever_definitions_its_table_had():
    prepared = []
    routes = Routes(Mappings({"a": "A"}), prepared.append)
    routes.add([definition("a")])
    first = routes.mapping(definition("a"))
    assert routes.mapping(definition("a")) is first
    assert routes.mapping(definition("a", "w")).source == definition("a", "w")
    assert [mapping.target_table for mapping in prepared] == ["A"]


def test_the_target_of_a_table_that_was_never_met_is_what_the_rules_say():
    routes = Routes(Mappings({"a": "A", "b": "B"}, ruleless=frozenset({"b"})), lambda mapping: None)
    assert (routes.target("shop.a"), routes.target("shop.b"), routes.is_known("shop.a")) == ("A", None, False)


def test_the_target_of_a_table_whose_key_nobody_knows_is_one_that_the_job_has_written():
    mappings = Mappings({"b": "B", "c": "C"}, ruleless=frozenset({"b", "c"}))
    routes = Routes(mappings, lambda mapping: None, lambda target: target == "B")
    assert (routes.target("shop.b"), routes.target("shop.c")) == ("B", None)


def test_a_letter_is_one_file_of_json_that_a_repeat_overwrites(tmp_path):
    table = definition("a/b")
    row = {"id": 7, "v": b"\x00\xff", "price": Decimal("1.10"), "none": None, "text": "Åland"}
    letter = RejectedRow.of_load(table, row, START, REASON)
    again = RejectedRow.of_load(table, row, BinlogPosition("binlog.000009", 9), REASON)
    LetterFolder(str(tmp_path / "letters")).write([letter, again])
    (file,) = tmp_path.rglob("*.json")
    assert file.parent.name == "shop.a%2Fb"
    found = json.loads(file.read_text())
    assert found["row"] == {"id": 7, "v": "AP8=", "price": "1.10", "none": None, "text": "Åland"}
    assert (found["reason"], found["operation"], found["position"]["file"]) == ("EMPTY_KEY", "load", "binlog.000009")


def test_letters_of_changes_are_named_after_their_place():
    assert RejectedRow.of_change(change(12), REASON).name == "binlog.000001-0000000000012-0000000"


def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "letters").touch()
    with pytest.raises(SinkError, match="can't be written"):
        LetterFolder(str(tmp_path / "letters")).write([RejectedRow.of_change(change(12), REASON)])


class Secrets:
    def __init__(self, text):
        self.text = text

    def get_secret_value(self, SecretId):
        if self.text is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "GetSecretValue")
        return {"SecretString": self.text}


@pytest.mark.parametrize(
    ("text", "password"),
    [('{"username": "u", "password": "p"}', "p"), ("plain text", "plain text"), ("12345", "12345"), ('"q"', '"q"')],
)
def test_a_secret_is_json_with_a_password_or_the_plain_text(text, password):
    assert password_of(Secrets(text), "db") == password


@pytest.mark.parametrize("text", [None, "", '{"user": "sesame"}', '{"password": 7, "user": "sesame"}'])
def test_a_secret_without_a_password_is_refused_and_not_shown(text):
    with pytest.raises(SourceError) as error:
        password_of(Secrets(text), "db")
    assert "secret 'db'" in str(error.value)
    assert "sesame" not in str(error.value)


def test_the_address_has_what_the_configuration_says():
    mysql = {"host": "h", "port": 3307, "user": "u", "password": "sesame", "tls": {"ca_file": "/ca.pem"}}
    config = parse_job({"job": "replicate", "name": "n", "source": {"mysql": mysql}, "table_mappings": "m.json"})
    address = mysql_address(config.source.mysql)
    assert (address.host, address.port, address.user, address.password, address.tls) == (
        *("h", 3307, "u", "sesame", "/ca.pem"),
    )
    assert "sesame" not in repr(address)
