"""Change records in what others put around them."""

import gzip
import json
from typing import Any

import msgspec
import pytest

from streamjoin.dynamodb.change_records import Change, parse_change
from streamjoin.dynamodb.change_wrappers import ChangeSplitter
from streamjoin.records import splitting
from streamjoin.records.values import Rejected
from tests.changes.samples import pipe_record

ONE, TWO = (
    pipe_record("cur", "INSERT", {"pk": key}, {"pk": key}, created_s=1704067200, sequence_number=key).decode()
    for key in ("1", "2")
)
BUS = {"version": "0", "id": "i", "detail-type": "d", "source": "s", "time": "2024-01-01T00:00:00Z", "resources": []}
WHOLE = f'{{"Records": [{ONE}, {TWO}]}}'


def keys(payload: bytes) -> list[str]:
    """Return the key, or the reason, of each change; each is read alone, as from a dead letter."""
    parts = ChangeSplitter().parts(payload)
    assert [ChangeSplitter().parts(part) for part in parts] == [[part] for part in parts], "a change stays as it is"
    found = [parse_change(part) for part in parts]
    return [each.keys["pk"]["S"] if isinstance(each, Change) else each.reason.value for each in found]


def bus(detail: Any) -> str:
    return json.dumps({**BUS, "detail": json.loads(detail)})


@pytest.mark.parametrize(
    "payload",
    [
        WHOLE,
        f"[{ONE}, {TWO}]",
        f"{ONE}\n{TWO}\n",
        f"{ONE}{TWO}",
        f"{bus(ONE)}\r\n{bus(TWO)}",
        f"[{bus(ONE)}, {json.dumps(bus(TWO))}]",
        bus(WHOLE),
        bus(f"[{ONE}, {TWO}]"),
        bus(json.dumps(f"{ONE}\n{TWO}")),
        json.dumps(WHOLE),
        json.dumps(f"[{ONE},{TWO}]"),
        "\ufeff" + WHOLE,
    ],
)
def test_what_is_around_changes_is_taken_away(payload: str) -> None:
    assert keys(payload.encode()) == ["1", "2"]
    assert keys(gzip.compress(payload.encode())) == ["1", "2"]


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (json.dumps(ONE), ["1"]),
        (bus(ONE), ["1"]),
        ("\ufeff" + ONE, ["1"]),
        (f'{ONE}\n{{"eventName": "INS\n{TWO}', ["1", "MALFORMED_JSON", "2"]),
        (f'{{"Records": [{ONE}, {{}}, 7, null, "", [], {TWO}]}}', ["1", "NOT_A_CHANGE", *["NOT_AN_OBJECT"] * 3, "2"]),
        ('{"Records": []}', []),
        ("[]", []),
        ('{"Records": {}}', ["NOT_A_CHANGE"]),
        ('{"detail": null}', ["NOT_A_CHANGE"]),
        ('{"detail": 7}', ["NOT_A_CHANGE"]),
        (bus('{"x": 1}'), ["NOT_A_CHANGE"]),
        (f'{{"dynamodb": 7, "detail": {ONE}}}', ["NOT_A_CHANGE"]),
        (f"[{ONE}, {TWO}", ["NOT_AN_OBJECT"]),
        ('"text"', ["MALFORMED_JSON"]),
        ("", ["EMPTY_PAYLOAD"]),
        ("\ufeff ", ["EMPTY_PAYLOAD"]),
        ("[" * 100_000, ["NOT_AN_OBJECT"]),
    ],
)
def test_what_is_no_change_is_rejected_alone(payload: str, found: list[str]) -> None:
    assert keys(payload.encode()) == found


RECORD = (
    '{"eventName": "INSERT", "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/cur/stream/'
    '2024-01-01T00:00:00.000", "dynamodb": {"ApproximateCreationDateTime": 1704067200, "SequenceNumber": "1", '
    '"Keys": {"pk": {"S": "1"}}, "NewImage": {"pk": {"S": "1"}}}}'
)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (f'{{"Records": [{RECORD}, {RECORD.replace(chr(34) + "1" + chr(34), chr(34) + "2" + chr(34))}]}}', ["1", "2"]),
        (f"[{RECORD}, {RECORD}]", ["1", "1"]),
        (f"{RECORD}\n{RECORD}\n", ["1", "1"]),
        (f'{{"version": "0", "detail-type": "d", "resources": [], "detail": {RECORD}}}', ["1"]),
        (json.dumps(RECORD), ["1"]),
        (RECORD.replace("1704067200", '"2024-01-01 00:00:00+00:00"'), ["1"]),
    ],
)
def test_records_as_forwarders_put_them_on_a_stream_are_read(payload: str, found: list[str]) -> None:
    assert keys(payload.encode()) == found


def test_something_else_that_has_a_detail_is_one_letter_with_all_that_it_has() -> None:
    for detail in ({"x": 1}, [{"x": 1}, 7], "a text", "", [], json.dumps({"x": 1})):
        payload = json.dumps({**BUS, "detail": detail}).encode()
        parts = ChangeSplitter().parts(payload)
        assert parts == [payload], detail


def test_layers_are_bounded() -> None:
    (part,) = ChangeSplitter().parts(('{"detail":' * 50 + ONE + "}" * 50).encode())
    assert isinstance(parse_change(part), Rejected)


def test_text_in_another_encoding_is_rejected_by_its_name() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (part,) = ChangeSplitter().parts(ONE.encode(encoding))
        rejected = parse_change(part)
        assert isinstance(rejected, Rejected)
        assert (rejected.reason.value, rejected.detail) == ("NOT_UTF8", "expected text in UTF-8, found UTF-16")


def test_a_bare_change_stays_the_payload_that_it_came_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for payload in (ONE.encode(), gzip.compress(ONE.encode())):
        assert ChangeSplitter().parts(payload) == [payload]
    monkeypatch.setattr(splitting, "MAX_EVENTS", 3)
    packed = gzip.compress(WHOLE.encode())
    assert [len(parts) for parts in ChangeSplitter()([packed, packed, ONE.encode()])] == [2, 1, 1]


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2024-01-01 00:00:00+00:00", 1704067200_000_000),
        ("2024-01-01T01:00:00.25+01:00", 1704067200_250_000),
        ("2024-01-01T00:00:00Z", 1704067200_000_000),
    ],
)
def test_a_time_may_be_text_in_iso_8601(text: str, us: int) -> None:
    record = json.loads(ONE)
    record["dynamodb"]["ApproximateCreationDateTime"] = text
    change = parse_change(msgspec.json.encode(record))
    assert isinstance(change, Change)
    assert change.created_us == us


@pytest.mark.parametrize("text", ["", "yesterday", "1969-12-31T23:59:59Z", "2024-13-01 00:00:00", "20240101"])
def test_a_time_that_is_none_is_no_change(text: str) -> None:
    record = json.loads(ONE)
    record["dynamodb"]["ApproximateCreationDateTime"] = text
    assert isinstance(parse_change(msgspec.json.encode(record)), Rejected)
