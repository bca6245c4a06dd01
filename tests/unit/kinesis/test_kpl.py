import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.kinesis.kpl import MAGIC, UserRecord, unpack
from tests.faults.kpl import aggregate, delimited, sealed, varint

user_records = st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=60)), min_size=1, max_size=12)


@given(user_records, st.booleans(), st.booleans())
def test_what_was_packed_comes_out_in_order(records, with_hash_keys, with_tags):
    packed = aggregate(records, ["123"] if with_hash_keys else None, tag=with_tags)
    assert unpack("outer", packed) == [UserRecord(*record) for record in records]


@given(st.text(), st.binary(max_size=200))
def test_a_plain_record_is_itself(key, data):
    assert unpack(key, data) == [UserRecord(key, data)]


@given(st.binary(max_size=200))
def test_bytes_behind_the_magic_without_their_checksum_are_a_plain_record(data):
    assert unpack("outer", MAGIC + data) == [UserRecord("outer", MAGIC + data)]


@given(st.binary(max_size=200))
def test_any_message_with_a_right_checksum_gives_at_least_one_record(message):
    data = sealed(message)
    records = unpack("outer", data)
    assert records == [UserRecord("outer", data)] or all(record.data in message for record in records)
    assert records


@given(user_records, st.data())
def test_mutated_aggregates_never_raise_and_lose_nothing(records, data):
    packed = bytearray(aggregate(records))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    mutated = bytes(packed)
    out = unpack("outer", mutated)
    assert out in ([UserRecord("outer", mutated)], [UserRecord(*record) for record in records])


@given(user_records, st.data())
def test_mutated_messages_sealed_again_never_raise(records, data):
    message = bytearray(aggregate(records)[4:-16])
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    assert unpack("outer", sealed(bytes(message)))


@given(user_records, st.integers(min_value=0))
def test_a_truncated_aggregate_is_a_plain_record(records, cut):
    packed = aggregate(records)
    truncated = packed[: cut % len(packed)]
    assert unpack("outer", truncated) == [UserRecord("outer", truncated)]


KEY = delimited(1, b"k")
RECORD = delimited(3, varint(1 << 3) + varint(0) + delimited(3, b"data"))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="no record at all"),
        pytest.param(KEY, id="a key and no record"),
        pytest.param(RECORD, id="an index beyond the keys"),
        pytest.param(KEY + RECORD + b"\x80", id="an unfinished varint"),
        pytest.param(KEY + RECORD + b"\xff" * 11, id="a varint without end"),
        pytest.param(KEY + RECORD + b"\x03", id="a group"),
        pytest.param(KEY + RECORD + varint(2), id="a field number of zero"),
        pytest.param(KEY + RECORD + varint(7 << 3 | 1) + b"1234567", id="a fixed number cut short"),
        pytest.param(KEY + RECORD + varint(3 << 3 | 2) + varint(2**40), id="a length beyond the message"),
        pytest.param(KEY + delimited(3, delimited(3, b"data")), id="a record without its key"),
        pytest.param(KEY + delimited(3, varint(1 << 3) + varint(0)), id="a record without data"),
        pytest.param(KEY + delimited(3, delimited(1, b"0") + delimited(3, b"data")), id="an index that is bytes"),
        pytest.param(KEY + varint(3 << 3) + varint(1), id="a record that is a number"),
        pytest.param(delimited(1, b"\xff\xfe") + RECORD, id="a key that is not UTF-8"),
    ],
)
def test_a_message_of_another_shape_is_a_plain_record(message):
    assert unpack("outer", sealed(message)) == [UserRecord("outer", sealed(message))]


def test_unknown_fields_are_passed_over():
    extra = varint(9 << 3) + varint(300) + varint(10 << 3 | 1) + bytes(8) + varint(11 << 3 | 5) + bytes(4)
    assert unpack("outer", sealed(KEY + extra + RECORD + delimited(12, b"x"))) == [UserRecord("k", b"data")]


def test_an_aggregate_within_an_aggregate_is_left_to_its_owner():
    inner = aggregate([("a", b"1")])
    assert unpack("outer", aggregate([("b", inner)])) == [UserRecord("b", inner)]
