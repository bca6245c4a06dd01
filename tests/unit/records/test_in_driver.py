"""What the driver decodes itself is what workers make of it, or is left to them."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import RejectReason
from streamjoin.records import in_driver
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.records.in_driver import decode_in_driver
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema

SCHEMA = parse_schema("id string, n bigint, s struct<a: array<int>, m: map<string,string>>")
JSON = PayloadFormat()


def records_of(payloads: Sequence[bytes | None]) -> pa.Table:
    rows = [
        {"stream": "s", "shard_id": "0", "sequence_number": str(n), "data": data} for n, data in enumerate(payloads)
    ]
    return pa.Table.from_pylist([dict.fromkeys(RECORD_SCHEMA.names) | row for row in rows], schema=RECORD_SCHEMA)


def whole(payload: bytes | None, payload_format: PayloadFormat = JSON) -> dict[str, Any]:
    """Return what the decoder of one payload says."""
    row = PayloadDecoder(SCHEMA, payload_format)(payload)
    if isinstance(row, Rejected):
        return {**dict.fromkeys(SCHEMA.names), "_reason": row.reason.value, "_detail": row.detail}
    values = pa.Table.from_arrays([pa.array([v], f.type) for v, f in zip(row, SCHEMA, strict=True)], schema=SCHEMA)
    return {**values.to_pylist()[0], "_reason": None, "_detail": None}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("am"), inner),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["id", "n", "s", "other"]), VALUES).map(lambda d: json.dumps(d).encode())


@given(st.lists(st.one_of(st.none(), st.binary(max_size=40), DOCUMENTS), min_size=1, max_size=8))
def test_any_payloads_are_what_the_decoder_of_one_makes_of_them(payloads: list[bytes | None]) -> None:
    records = records_of(payloads)
    found = decode_in_driver(records, SCHEMA, JSON)
    assert found is not None
    places = found.column("_record").to_pylist()
    assert places == records.to_pylist()
    assert found.drop_columns(["_record"]).to_pylist() == [whole(payload) for payload in payloads]


WIDE = parse_schema(f"items array<struct<{', '.join(f'c{n}: int' for n in range(200))}>>")
LARGE, HALF = (b'{"id":"' + b"x" * kib * 1024 + b'"}' for kib in (1024, 500))


@pytest.mark.parametrize(
    ("schema", "payloads"),
    [
        (SCHEMA, []),
        (SCHEMA, [b"{}", LARGE]),
        (SCHEMA, [b"{}", gzip.compress(LARGE)]),
        (SCHEMA, [gzip.compress(HALF)] * 140),
        (SCHEMA, [HALF] * 140),
        # Three bytes of it become a struct of 200 values.
        (WIDE, [b'{"items":[' + b"{}," * 2000 + b"{}]}"]),
        (parse_schema(", ".join(f"c{n} int" for n in range(5000))), [b"{}"] * 2000),
    ],
    ids=["none", "large", "large unpacked", "together", "together unpacked", "many values of few bytes", "wide"],
)
def test_what_may_take_more_memory_than_the_driver_has_is_left_to_workers(
    schema: pa.Schema, payloads: list[bytes]
) -> None:
    assert decode_in_driver(records_of(payloads), schema, JSON) is None
    if payloads:
        assert decode_in_driver(records_of([b"{}"]), schema, JSON) is not None


def test_what_the_user_does_not_allow_is_for_workers_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    small = PayloadFormat(max_unpacked_bytes=8)
    packed = gzip.compress(b'{"id":"123456"}')
    assert whole(packed, small)["_reason"] == RejectReason.TOO_LARGE.value
    assert decode_in_driver(records_of([packed]), SCHEMA, small) is None

    def fail(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(in_driver, "decode_batch", fail)
    assert decode_in_driver(records_of([b"{}"]), SCHEMA, JSON) is None
