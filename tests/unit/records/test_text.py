"""What text begins with: a mark is no content, and what isn't UTF-8 is said to be so."""

from typing import Any

import pytest

from streamjoin.errors import RejectReason
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.schema.ddl import parse_schema

MARK = b"\xef\xbb\xbf"
PAYLOADS = {"json": '{"id":"1","n":2}', "csv": "1,2"}


def decode(name: Any, payload: bytes) -> list[Any] | Rejected:
    return PayloadDecoder(parse_schema("id string, n int"), PayloadFormat(name))(payload)


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_byte_order_mark_is_no_content(name: str) -> None:
    assert decode(name, MARK + PAYLOADS[name].encode()) == ["1", 2]
    # One alone: text that begins with two has one in it.
    doubled = decode(name, MARK * 2 + PAYLOADS[name].encode())
    assert isinstance(doubled, Rejected) is (name == "json")
    for nothing in (MARK, MARK + b"\n"):
        rejected = decode(name, nothing)
        assert isinstance(rejected, Rejected)
        assert rejected.reason is RejectReason.EMPTY_PAYLOAD


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_text_in_another_encoding_is_rejected_by_its_name(name: str, encoding: str) -> None:
    rejected = decode(name, PAYLOADS[name].encode(encoding))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, encoding[:6].upper() in rejected.detail) == (RejectReason.NOT_UTF8, True)


@pytest.mark.parametrize("text", ['[{"id":"1"}]', '"1"', "12"])
def test_json_that_is_no_object_is_rejected_by_the_name_of_its_encoding_too(text: str) -> None:
    rejected = decode("json", text.encode("utf-16-le"))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, "UTF-16" in rejected.detail) == (RejectReason.NOT_UTF8, True)


@pytest.mark.parametrize("payload", [b'\0{"id":"10"}', b'{\0"id":"10"}'])
def test_a_single_zero_byte_is_not_taken_for_another_encoding(payload: bytes) -> None:
    rejected = decode("json", payload)
    assert isinstance(rejected, Rejected)
    assert rejected.reason is RejectReason.MALFORMED_JSON
