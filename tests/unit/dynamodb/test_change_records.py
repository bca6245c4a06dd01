import gzip
import json
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from streamjoin.dynamodb.change_records import Change, change_id, change_order, item_key, parse_change
from streamjoin.dynamodb.stream.client import ChangeRecord
from streamjoin.dynamodb.stream.records import streams_record
from streamjoin.errors import RejectReason
from streamjoin.records.values import Rejected
from tests.changes.samples import kinesis_record, pipe_record, typed_item
from tests.item_values import ITEMS
from tests.unit.records.test_fuzz import mutated, packed

KEYS = {"orderid": "a"}
NEW = {"orderid": "a", "quantity": 3, "data": b"\x00\xff"}
PIPE = pipe_record("orders", "MODIFY", KEYS, NEW, {"orderid": "a"}, created_s="1738281600.25", sequence_number=7)
KINESIS = kinesis_record("orders", "INSERT", KEYS, NEW, created=1738281600123456)
KEY_VALUES = st.one_of(
    st.fixed_dictionaries({"S": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)}),
    st.fixed_dictionaries({"N": st.integers(-(10**37), 10**37).map(str)}),
    st.fixed_dictionaries({"B": st.binary(min_size=1, max_size=5)}),
)


def parsed(data: bytes) -> Change:
    change = parse_change(data)
    assert isinstance(change, Change), change
    return change


def rejected(data: bytes) -> tuple[RejectReason, str]:
    verdict = parse_change(data)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason, verdict.detail


def changed(data: bytes, **body: Any) -> bytes:
    """Return a record with other fields in its `dynamodb`; None takes one out."""
    envelope = json.loads(data)
    envelope["dynamodb"] = {k: v for k, v in {**envelope["dynamodb"], **body}.items() if v is not None}
    return json.dumps(envelope).encode()


def test_a_record_of_a_pipe_is_a_change_with_its_own_sequence_number() -> None:
    assert parsed(PIPE) == Change(
        "orders", "MODIFY", typed_item(KEYS), typed_item(NEW), typed_item({"orderid": "a"}), 1738281600250000, "7"
    )


def test_a_record_of_kinesis_streams_for_dynamodb_is_a_change_without_one() -> None:
    assert parsed(KINESIS) == Change(
        "orders", "INSERT", typed_item(KEYS), typed_item(NEW), None, 1738281600123456, None
    )


SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@pytest.mark.parametrize(
    ("identity", "removed_by"),
    [
        ({"userIdentity": SERVICE}, "ttl"),
        # As the SDK's records have it.
        ({"userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}}, "ttl"),
        ({"userIdentity": {**SERVICE, "principalId": "replication.dynamodb.amazonaws.com"}}, "user"),
        ({"userIdentity": {**SERVICE, "type": "AWSAccount"}}, "user"),
        ({"userIdentity": {}}, "user"),
        ({"userIdentity": "dynamodb.amazonaws.com"}, "user"),
        ({"userIdentity": None}, "user"),
        ({}, "user"),
    ],
)
def test_a_removal_says_in_either_envelope_whether_the_item_expired(identity: Any, removed_by: str) -> None:
    pipe = pipe_record("orders", "REMOVE", KEYS, None, NEW, created_s=1, sequence_number=7, **identity)
    kinesis = kinesis_record("orders", "REMOVE", KEYS, None, NEW, created=1, **identity)

    assert [parsed(each).removed_by for each in (pipe, kinesis)] == [removed_by] * 2
    written = kinesis_record("orders", "MODIFY", KEYS, NEW, created=1, **identity)
    assert parsed(written).removed_by is None


def test_the_identity_of_a_tables_own_stream_comes_along() -> None:
    identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    record = ChangeRecord("REMOVE", typed_item(KEYS), None, None, "shard", "7", 1000, identity)

    assert parsed(streams_record(record, json.loads(PIPE)["eventSourceARN"])).removed_by == "ttl"


def test_a_change_of_a_tables_own_stream_is_as_a_pipe_would_forward_it() -> None:
    arn = json.loads(PIPE)["eventSourceARN"]
    record = ChangeRecord(
        "MODIFY", typed_item(KEYS), typed_item(NEW), typed_item({"orderid": "a"}), "shard", "7", 1738281600250
    )

    assert parsed(streams_record(record, arn)) == parsed(PIPE)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_record_is_unpacked(pack: Any) -> None:
    assert parsed(pack(PIPE)) == parsed(PIPE)


@given(st.sampled_from(["INSERT", "MODIFY", "REMOVE"]), ITEMS, ITEMS | st.none(), KEY_VALUES)
def test_every_item_survives_both_envelopes(operation: str, new: Any, old: Any, key: Any) -> None:
    keys = {"k": key}
    pipe = parsed(pipe_record("orders", operation, keys, new, old, created_s=1, sequence_number=1, typed=True))
    kinesis = parsed(kinesis_record("orders", operation, keys, new, old, created=10**15, typed=True))

    assert (pipe.keys, pipe.new_image, pipe.old_image) == (keys, new, old)
    assert (kinesis.keys, kinesis.new_image, kinesis.old_image) == (keys, new, old)


@pytest.mark.parametrize(
    ("created", "precision", "expected_us"),
    [
        (1738281600, None, 1738281600_000000),
        (1738281600123, None, 1738281600_123000),
        (1738281600123456, None, 1738281600_123456),
        (1738281600123, "MILLISECOND", 1738281600_123000),
        (1738281600123456, "MICROSECOND", 1738281600_123456),
        (5, "MILLISECOND", 5000),
        (0, None, 0),
    ],
)
def test_a_time_has_the_unit_that_the_record_names_else_that_of_its_magnitude(
    created: int, precision: str | None, expected_us: int
) -> None:
    assert (
        parsed(kinesis_record("orders", "REMOVE", KEYS, created=created, precision=precision)).created_us == expected_us
    )


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("1738281600.123456", 1738281600123456),
        ("1.7382816E9", 1738281600000000),
        ("1738281600.1234567", 1738281600123456),
    ],
)
def test_a_time_with_a_fraction_is_exact(text: str, expected_us: int) -> None:
    record = pipe_record("orders", "REMOVE", KEYS, created_s=text, sequence_number=1)

    assert parsed(record).created_us == expected_us


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "EMPTY_PAYLOAD"),
        (b" \n", "EMPTY_PAYLOAD"),
        (gzip.compress(b"", mtime=0), "EMPTY_PAYLOAD"),
        (gzip.compress(PIPE, mtime=0)[:-9], "MALFORMED_COMPRESSION"),
        (gzip.compress(bytes(11 * 1024 * 1024), mtime=0), "TOO_LARGE"),
        (b'{"a": "\xff"}', "NOT_UTF8"),
        (b'{"a": 1}\xff', "NOT_UTF8"),
        (b'{"a": 1}{}', "MALFORMED_JSON"),
        (b"[" * 100_000, "NOT_AN_OBJECT"),
        (b'{"a":' * 100_000, "MALFORMED_JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "MALFORMED_JSON"),
        (b"[1]", "NOT_AN_OBJECT"),
        (b"{}", "NOT_A_CHANGE"),
    ],
)
def test_a_record_that_is_no_change_is_rejected_with_its_reason(data: bytes | None, reason: str) -> None:
    verdict = parse_change(data)

    assert isinstance(verdict, Rejected)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b'{"id": "a"}', "expected an object 'dynamodb'"),
        (pipe_record("orders", "UPSERT", KEYS, created_s=1, sequence_number=1), "eventName: expected INSERT"),
        (kinesis_record("../orders", "INSERT", KEYS, created=1), "expected a table's name"),
        (pipe_record("orders", "INSERT", KEYS, created_s=1, sequence_number=1, eventSourceARN="x"), "expected a table"),
        (changed(KINESIS, Keys={}), "Keys: expected one attribute or two, found 0"),
        (changed(KINESIS, Keys={"a": {"S": ""}}), "Keys: attribute 'a': expected a value of type S, N or B"),
        (changed(KINESIS, Keys={"a": {"BOOL": True}}), "Keys: attribute 'a': expected a value of type S, N or B"),
        (changed(KINESIS, NewImage={"a": {"B": "?"}}), "NewImage: attribute 'a': expected base64 text"),
        (changed(KINESIS, NewImage=[]), "NewImage: expected an object"),
        (changed(KINESIS, ApproximateCreationDateTime=None), "ApproximateCreationDateTime: expected a time"),
        (changed(KINESIS, ApproximateCreationDateTime=True), "ApproximateCreationDateTime: expected a time"),
        (changed(KINESIS, ApproximateCreationDateTime=-1), "ApproximateCreationDateTime: expected a time"),
        (changed(KINESIS, ApproximateCreationDateTime=10**17), "ApproximateCreationDateTime: expected a time"),
        (PIPE.replace(b"1738281600.25", b"1e999999999"), "ApproximateCreationDateTime: expected a time"),
        (
            changed(KINESIS, ApproximateCreationDateTimePrecision="DAY"),
            "ApproximateCreationDateTimePrecision: expected",
        ),
        (changed(PIPE, SequenceNumber="7a"), "SequenceNumber: expected text of at most 64 digits"),
        (changed(PIPE, SequenceNumber=7), "SequenceNumber: expected text of at most 64 digits"),
    ],
)
def test_what_a_change_lacks_is_named(data: bytes, detail: str) -> None:
    reason, found = rejected(data)

    assert reason is RejectReason.NOT_A_CHANGE
    assert found.startswith(detail)


@given(st.binary() | st.text().map(str.encode))
@example(b'{"dynamodb": {"Keys": {"a": {"S": "\\ud800"}}}}')
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert isinstance(parse_change(data), Rejected)


def test_no_mutation_of_a_record_makes_it_raise() -> None:
    random, corpus = Random("changes"), [PIPE, KINESIS]
    verdicts = set[str]()
    for _ in range(20_000):
        data = packed(mutated(random.choice(corpus), corpus, random), random)
        verdict = parse_change(data if random.random() < 0.9 else mutated(data, corpus, random))
        verdicts.add(verdict.reason if isinstance(verdict, Rejected) else "change")
    assert {"change", "NOT_A_CHANGE", "MALFORMED_JSON", "NOT_UTF8", "MALFORMED_COMPRESSION"} <= verdicts


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"id": {"S": "a b"}}, "a b"),
        ({"id": {"N": "1.50"}}, "1.5"),
        ({"id": {"N": "1E+3"}}, "1000"),
        ({"id": {"N": "-0.0"}}, "0"),
        ({"id": {"B": b"\x00\xff"}}, "AP8="),
        ({"SK": {"N": "1.0"}, "PK": {"S": 'a"b'}}, '["a\\"b","1"]'),
    ],
)
def test_an_item_is_known_by_the_text_of_its_key(keys: Any, text: str) -> None:
    assert item_key(keys) == text


@given(st.lists(st.tuples(st.integers(0, 10**16), st.integers(0, 10**60), st.integers(0, 9999)), min_size=2))
def test_the_text_order_of_changes_is_their_order(places: list[tuple[int, int, int]]) -> None:
    texts = {place: change_order(place[0], str(place[1]), place[2]) for place in places}

    assert [texts[place] for place in sorted(places)] == sorted(texts[place] for place in places)
    assert change_order(1, None) < change_order(1, "1")


def test_a_repeat_is_one_change_and_another_change_is_another() -> None:
    again = parsed(kinesis_record("orders", "INSERT", KEYS, dict(reversed(NEW.items())), created=1738281600123456))
    other = parsed(kinesis_record("orders", "INSERT", KEYS, {**NEW, "quantity": 4}, created=1738281600123456))
    later = parsed(kinesis_record("orders", "INSERT", KEYS, NEW, created=1738281600123457))
    next_one = parsed(changed(PIPE, SequenceNumber="8"))

    assert change_id(again) == change_id(parsed(KINESIS))
    assert len({change_id(each) for each in (again, other, later, parsed(PIPE), next_one)}) == 5
    assert change_id(parsed(changed(PIPE, ApproximateCreationDateTime=5))) == change_id(parsed(PIPE))
