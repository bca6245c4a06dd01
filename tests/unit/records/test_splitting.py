"""Payloads with several events: each its own, none lost, bad ones beside good ones."""

import gzip
import json
import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import RejectReason
from streamjoin.records import splitting
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.records.splitting import Splitter, split_batch
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema

ID = parse_schema("id string")
MESSAGES = "logEvents[*].message"


def splitter(form: PayloadFormat, schema: pa.Schema = ID) -> Splitter:
    found = form.splitter(schema)
    assert found is not None
    return found


def events(payload: bytes, form: PayloadFormat, schema: pa.Schema = ID) -> list[Any]:
    """Return the first column, or the reason, of each event; each is decoded alone, as from a dead letter."""
    parts, decoder = splitter(form, schema).parts(payload), PayloadDecoder(schema, form)
    assert [splitter(form, schema).parts(part) for part in parts] == [[part] for part in parts], "parts stay whole"
    rows = [decoder(part) for part in parts]
    return [row.reason.value if isinstance(row, Rejected) else row[0] for row in rows]


def many(path: str | None = None, **parts: Any) -> PayloadFormat:
    return PayloadFormat(records="many", path=path, **parts)


def logs(*messages: str, kind: str = "DATA_MESSAGE") -> bytes:
    entries = [{"id": f"e{n}", "timestamp": 1432826855000, "message": each} for n, each in enumerate(messages)]
    envelope = {"messageType": kind, "owner": "123456789012", "logGroup": "g", "logStream": "s"}
    return gzip.compress(json.dumps({**envelope, "subscriptionFilters": ["f"], "logEvents": entries}).encode())


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"1"}{"id":"2"}',
        b'{"id":"1"}\n{"id":"2"}\n',
        b'{"id":"1"}\r\n\r\n  {"id":"2"}\r\n',
        b'[{"id":"1"},{"id":"2"}]',
        b' [ {"id":"1"} , {"id":"2"} ] ',
        b'{\n  "id": "1"\n}\n{\n  "id": "2",\n  "x": [\n    {"id": "3"}\n  ]\n}',
        b'[{"id":"1"}]\n[{"id":"2"}]',
        b'\xef\xbb\xbf{"id":"1"}\n\xef\xbb\xbf{"id":"2"}',
        gzip.compress(b'{"id":"1"}\n{"id":"2"}', mtime=0),
    ],
)
def test_values_after_one_another_lines_and_arrays_are_an_event_each(payload: bytes) -> None:
    assert events(payload, many()) == ["1", "2"]


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"id":"1"}\n{bad\n{"id":"3"}', ["1", "MALFORMED_JSON", "3"]),
        (b'{"id":"1","x":"cut\n{"id":"2"}\n{"id":"3"}', ["MALFORMED_JSON", "2", "3"]),
        (b'{"id":"1"\r\n{"id":"2"}', ["MALFORMED_JSON", "2"]),
        (b'{"id":"1"}{"id":', ["1", "MALFORMED_JSON"]),
        (b'{"id":"1"} and more\n{"id":"2"}', ["1", "MALFORMED_JSON", "2"]),
        (b'{"id":"1"}\n{"id":"\xff"}\n{"id":"3"}', ["1", "NOT_UTF8", "3"]),
        (b'{"id":"1"}\n{"id":NaN}\n{"id":{"x":01}}\n{"id":"4"}', ["1", "MALFORMED_JSON", "MALFORMED_JSON", "4"]),
        (b'[{"id":"1"},7,"x",null,[{"id":"2"}],{"id":"3"}]', ["1", *["NOT_AN_OBJECT"] * 4, "3"]),
        (b'[{"id":"1"},{"id":NaN}]', ["1", "MALFORMED_JSON"]),
        (b'[{"id":"1"},{"id":', ["MALFORMED_JSON"]),
        (b'[\n{"id":"1"},\n{bad},\n{"id":"2"}\n]', ["MALFORMED_JSON"]),
        (b"[" * 100_000, ["MALFORMED_JSON"]),
        (b'{"a":' * 100_000 + b'\n{"id":"1"}', ["MALFORMED_JSON", "1"]),
        (b"some text\nof two lines", ["MALFORMED_JSON"]),
        (b"2026-01-31 some text\nof two lines", ["NOT_AN_OBJECT"]),
        (b'{"id":"1"}\n"text"', ["1", "NOT_AN_OBJECT"]),
        (b"", ["EMPTY_PAYLOAD"]),
        (b" \n", ["EMPTY_PAYLOAD"]),
        (b"[]", []),
        ('{"id":"1"}\n{"id":"2"}'.encode("utf-16"), ["NOT_UTF8"]),
        (gzip.compress(b'{"id":"1"}\n', mtime=0)[:-1], ["MALFORMED_COMPRESSION"]),
        (gzip.compress(b'{"id":"1"}\n' * 1_000_000, mtime=0), ["TOO_LARGE"]),
    ],
)
def test_a_bad_event_is_one_by_itself_beside_good_neighbours(payload: bytes, found: list[str]) -> None:
    assert events(payload, many()) == found


def test_one_event_stays_the_payload_that_it_came_in() -> None:
    for payload in (b'{"id":"1"}', b'[{"id":"1"}]\n', gzip.compress(b'{"id":"1"}'), logs('{"id":"1"}')):
        form = many(MESSAGES) if b"\x1f" in payload[:1] and len(payload) > 60 else many()
        assert splitter(form).parts(payload) == [payload]
        assert events(payload, form) == ["1"]


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        (MESSAGES, logs('{"id":"1"}', '{"id":"2"}'), ["1", "2"]),
        (MESSAGES, logs('{"id":"1"}', "text", '{"id":"3"}\n{"id":"4"}', ""), "1 MALFORMED_JSON 3 4 EMPTY_PAYLOAD"),
        (MESSAGES, logs("CWL CONTROL MESSAGE: Checking health of destination.", kind="CONTROL_MESSAGE"), []),
        (MESSAGES, logs(), []),
        (MESSAGES, b'{"logEvents":null}', ["NO_EVENT"]),
        (MESSAGES, b'{"logEvents":{}}', ["NO_EVENT"]),
        (MESSAGES, b'{"logEvents":[{"message":"{\\"id\\":1}"},{},{"message":null},7,{"message":{"id":"2"}}]}',
         ["1", "NO_EVENT", "NO_EVENT", "NOT_AN_OBJECT", "2"]),
        (MESSAGES, b'{"logEvents":[{"message":"\\ud800"},{"message":{"id":"2"}}]}', ["MALFORMED_JSON"]),
        (MESSAGES, b'{"x":1}\n' + b'{"logEvents":[{"message":{"id":"1"}}]}', ["NO_EVENT", "1"]),
        ("detail", b'{"detail":{"id":"1"}}{"detail":{"id":"2"}}', ["1", "2"]),
        ("detail", b'{"detail":[{"id":"1"},[{"id":"x"}],{"id":"2"}]}', ["1", "NOT_AN_OBJECT", "2"]),
        ("a.b[*][*].c", b'{"a":"{\\"b\\":[[{\\"c\\":{\\"id\\":\\"1\\"}}],[],[{\\"c\\":\\"{\\\\\\"id\\\\\\":2}\\"}]]}"}',
         ["1", "2"]),
        ("Message", b'{"Type":"Notification","Message":"\\ufeff[{\\"id\\":\\"1\\"},{\\"id\\":\\"2\\"}]"}', ["1", "2"]),
        ("detail", b"not json", ["MALFORMED_JSON"]),
        ("detail", b"[]", []),
    ],
)  # fmt: skip
def test_events_are_found_at_their_path_and_each_stays_there(path: str, document: bytes, found: Any) -> None:
    assert events(document, many(path)) == (found.split() if isinstance(found, str) else found)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (b'{"detail":{"id":"1"}}', "1"),
        (b'\xef\xbb\xbf{"detail":"{\\"id\\":\\"1\\"}"}', "1"),
        (b'{"detail":null}', "NO_EVENT"),
        (b"{}", "NO_EVENT"),
        (b'{"detail":[{"id":"1"}]}', "NOT_AN_OBJECT"),
        (b'{"detail":"text"}', "MALFORMED_JSON"),
        (b'{"detail":{"id":"1"}}{"detail":{"id":"2"}}', "MALFORMED_JSON"),
        (b"", "EMPTY_PAYLOAD"),
        (b"[1]", "NOT_AN_OBJECT"),
    ],
)
def test_a_record_of_one_event_has_it_at_its_path(document: bytes, found: str) -> None:
    row = PayloadDecoder(ID, PayloadFormat(path="detail"))(document)
    assert (row.reason.value if isinstance(row, Rejected) else row[0]) == found


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"1,2\n3,4", ["1", "3"]),
        (b"\xef\xbb\xbf1,2\r\n\r\n3,4\r\n", ["1", "3"]),
        (b"id,n\n1,2\n", ["1"]),
        (b'\xef\xbb\xbf"ID", N\r\n1,2\r\n3,4', ["1", "3"]),
        (b'"a\nb",2\n"c ""d""",4', ["a\nb", 'c "d"']),
        (b'1,2\n"open,2\n3,4', ["1", "MALFORMED_CSV", "3"]),
        (b'5" pipe,1\n6,2', ['5" pipe', "6"]),
        (b'"a"b,1\n6,2', ["MALFORMED_CSV", "6"]),
        (b"1\n2,x\n\xff,3\n4,5", ["MALFORMED_CSV", "WRONG_TYPE", "NOT_UTF8", "4"]),
        (b"\n\r\n", ["EMPTY_PAYLOAD"]),
        (b"id,n", []),
        ("1,2\n3,4".encode("utf-16-le"), ["NOT_UTF8"]),
    ],
)
def test_lines_of_csv_are_an_event_each(payload: bytes, found: list[str]) -> None:
    assert events(payload, many(name="csv"), parse_schema("id string, n int")) == found


def test_the_events_of_a_payload_and_of_a_record_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_EVENTS", 100)
    assert events(b'{"id":"1"}\n' * 101, many()) == ["TOO_LARGE"]
    half = gzip.compress(b'{"id":"1"}\n' * 51)
    parts = splitter(many())([half, half, b'{"id":"1"}\n{"id":"2"}'])
    # What goes beyond the bound of a record stays whole, and is rejected as such.
    assert [len(each) for each in parts] == [51, 1, 2]
    assert PayloadDecoder(ID, many())(parts[1][0]).reason == RejectReason.TOO_LARGE  # type: ignore[union-attr]
    large = gzip.compress(json.dumps([{"id": "1", "x": "y" * 600}] * 2).encode())
    parts = splitter(many(max_unpacked_bytes=2000))([large, large, large])
    assert [len(each) for each in parts] == [2, 1, 1]


def test_a_batch_has_a_row_for_each_event_and_counts_on_from_the_record() -> None:
    rows = [("s", "shard-0", str(n), sub, "k", None, data) for n, sub, data in
            [(1, 0, b"[1,2]"), (2, 0, b"[]"), (3, 4, b"{}"), (4, 0, None), (5, 7, b"{}{}")]]  # fmt: skip
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), RECORD_SCHEMA, strict=True)]
    (found,) = split_batch(pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA), splitter(many()).parts)
    assert [(r["sequence_number"], r["sub_sequence_number"], r["data"]) for r in found.to_pylist()] == [
        ("1", 0, b"1"), ("1", 1, b"2"), ("3", 4, b"{}"), ("4", 0, b""), ("5", 7, b"{}"), ("5", 8, b"{}"),
    ]  # fmt: skip


@given(st.lists(st.text(alphabet='{}[]",:\\\n 1aé\x00', max_size=12), max_size=8))
def test_whatever_a_payload_is_its_events_are_decoded_one_by_one(pieces: list[str]) -> None:
    payload = "\n".join(pieces).encode()
    for form in (many(), many("a"), many("a[*]"), many(name="csv")):
        events(payload, form)


def test_what_takes_records_apart_travels_and_is_known_again() -> None:
    for form in (many(MESSAGES), many(name="csv")):
        found = splitter(form)
        assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  (made here)
        assert len({found, splitter(form)}) == 1
