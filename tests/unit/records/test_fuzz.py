"""100,000 random and mutated inputs: no exception, one verdict each, nothing lost. Seeded: a failure repeats."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import zstandard

from streamjoin.kinesis.kpl import UserRecord, unpack
from streamjoin.records.avro.schema import parse_avro_schema
from streamjoin.records.decode import decode_batch
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from streamjoin.schema.ddl import parse_schema
from tests.faults.kpl import aggregate, sealed

EACH = 25_000
BATCH = 500
MAX_UNPACKED_BYTES = 4096

SIMPLE = (
    "s string, i int, l bigint, b tinyint, d double, f float, m decimal(20,4), o boolean, t timestamp, y date, x binary"
)
EVENT: dict[str, Any] = {
    **{"s": 'é "quoted", 😀', "i": -(2**31), "l": 2**63 - 1, "b": 7, "d": 1.5e300, "f": 0.25},
    **{"m": "-12345678.9012", "o": True, "t": "2026-01-31T00:00:00.5+02:00", "y": "2026-01-31", "x": "AAEC"},
}
NESTED = {"a": ["x", None], "p": {"k": 1.5}, "q": {"r": [1, 2], "w": "z"}}
AVRO: dict[str, Any] = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": name, "type": found}
        for name, found in {
            "s": ["null", "string"],
            "i": "int",
            "l": "long",
            "d": "double",
            "f": "float",
            "m": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4},
            "o": "boolean",
            "t": {"type": "long", "logicalType": "timestamp-micros"},
            "y": {"type": "int", "logicalType": "date"},
            "x": {"type": "fixed", "name": "three", "size": 3},
            "e": {"type": "enum", "name": "letter", "symbols": ["A", "B"]},
            "a": {"type": "array", "items": ["null", "string"]},
            "p": {"type": "map", "values": "double"},
            "q": {
                "type": "record",
                "name": "inner",
                "fields": [{"name": "r", "type": {"type": "array", "items": "long"}}],
            },
        }.items()
    ],
}
AVRO_EVENT = {
    **{"s": "é 😀", "i": -5, "l": 2**62, "d": 1.5, "f": 0.25, "m": Decimal("-12345678.9012"), "o": True, "e": "B"},
    **{"t": datetime(2026, 1, 31, tzinfo=UTC), "y": date(2026, 1, 31), "x": b"\x00\x01\x02"},
    **{"a": ["x", None], "p": {"k": 1.5}, "q": {"r": [1, 2, 300]}},
}
HUGE = [
    b"\xff" * 9 + b"\x01",
    b"\xfe\xff\xff\xff\x0f",
    b"\x80" * 12,
    b"\x81" * 3,
    b"9" * 400,
    b"[" * 400,
    b'"',
    b"\x00",
]


def mutated(content: bytes, corpus: list[bytes], random: Random) -> bytes:
    """Return `content` with a few bits, bytes or parts of it changed."""
    for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
        at = random.randrange(len(content) + 1)
        end = min(len(content), at + random.randrange(1, 40))
        match random.randrange(8):
            case 0 if at < len(content):
                content = content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
            case 1:
                content = content[:at] + random.randbytes(random.randrange(5)) + content[at + 1 :]
            case 2:
                content = content[:at]
            case 3:
                content = content[:at] + content[end:]
            case 4:
                content = content[:end] + content[at:end] * random.randrange(1, 9) + content[end:]
            case 5:
                content = content[:at] + random.choice(corpus)[random.randrange(20) :]
            case 6:
                content = content[:at] + random.choice(HUGE) + content[at:]
            case 7:
                content = random.randbytes(random.randrange(60))
    return content


def packed(content: bytes, random: Random) -> bytes:
    """Return `content`, or what a producer may have made of it."""
    match random.randrange(6):
        case 0:
            return gzip.compress(content, random.randrange(10))
        case 1:
            return zstandard.compress(content)
        case 2:
            stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
            return stream.compress(content) + stream.flush()
    return content


def inputs(corpus: list[bytes], random: Random) -> Iterator[list[bytes]]:
    """Yield batches of inputs, changed before they are compressed, or after."""
    large = [content * (1 + 2 * MAX_UNPACKED_BYTES // len(content)) for content in corpus]
    for _ in range(EACH // BATCH):
        batch = []
        for _ in range(BATCH):
            content = random.choice(large if random.random() < 0.02 else corpus)
            if random.random() < 0.5:
                batch.append(packed(mutated(content, corpus, random), random))
            else:
                batch.append(mutated(packed(content, random), corpus, random))
        yield batch


def json_corpus() -> list[bytes]:
    whole = {**EVENT, **NESTED}
    return [json.dumps(event).encode() for event in (whole, {}, {"s": "x"}, {"q": {"r": None}}, dict.fromkeys(whole))]


def csv_corpus() -> list[bytes]:
    quoted = ",".join('"' + str(value).replace('"', '""') + '"' for value in EVENT.values()).replace("True", "true")
    return [quoted.encode(), b"x,1,2,3,1.5,1.5,1.5,true,2026-01-31T00:00:00Z,2026-01-31,AAEC\r\n", b"," * 10]


def avro_corpus() -> list[bytes]:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(AVRO), AVRO_EVENT)
    plain = out.getvalue()
    return [plain, b"\xc3\x01" + parse_avro_schema(json.dumps(AVRO)).fingerprint + plain]


def avro_format() -> tuple[pa.Schema, PayloadFormat]:
    found = parse_avro_schema(json.dumps(AVRO))
    return found.columns, PayloadFormat("avro", avro_schema=found, max_unpacked_bytes=MAX_UNPACKED_BYTES)


FORMATS: dict[str, tuple[Callable[[], list[bytes]], tuple[pa.Schema, PayloadFormat], set[str]]] = {
    "json": (
        json_corpus,
        (
            parse_schema(f"{SIMPLE}, a array<string>, p map<string,decimal(5,1)>, q struct<r:array<int>,w:string>"),
            PayloadFormat("json", max_unpacked_bytes=MAX_UNPACKED_BYTES),
        ),
        {"MALFORMED_JSON", "NOT_AN_OBJECT"},
    ),
    "csv": (
        csv_corpus,
        (parse_schema(SIMPLE), PayloadFormat("csv", max_unpacked_bytes=MAX_UNPACKED_BYTES)),
        {"MALFORMED_CSV"},
    ),
    "avro": (avro_corpus, avro_format(), {"MALFORMED_AVRO", "UNKNOWN_SCHEMA"}),
}
OF_ALL = {"EMPTY_PAYLOAD", "MALFORMED_COMPRESSION", "TOO_LARGE", "NOT_UTF8", "WRONG_TYPE"}


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_a_payload_is_it_becomes_a_row_or_a_reject(name: str) -> None:
    make_corpus, (schema, form), reasons = FORMATS[name]
    decoder = PayloadDecoder(schema, form)
    verdicts: Counter[str | None] = Counter()
    for payloads in inputs(make_corpus(), Random(name)):
        records = pa.RecordBatch.from_arrays([pa.array(payloads, pa.binary())], names=["data"])
        out = pa.Table.from_batches(decode_batch(records, decoder, schema, max_decoded_bytes=20_000))
        out.validate(full=True)
        assert out.column("data").to_pylist() == payloads
        reasons_of = out.column("_reason").to_pylist()
        assert [reason is None for reason in reasons_of] == [detail is None for detail in out["_detail"].to_pylist()]
        verdicts.update(reasons_of)
    assert verdicts.total() == EACH
    assert verdicts[None] > EACH / 10
    assert set(verdicts) == {None, *OF_ALL, *reasons}


def test_whatever_a_record_of_the_stream_is_at_least_one_user_record_comes_out() -> None:
    random = Random("kpl")
    whole = [
        aggregate([(f"key {i}", random.randbytes(random.randrange(40))) for i in range(count)]) for count in (1, 2, 5)
    ]
    unpacked = 0
    for number in range(EACH):
        data = mutated(random.choice(whole), whole, random)
        if number % 2:
            # A right checksum, so that the message itself is looked into.
            data = sealed(mutated(random.choice(whole)[4:-16], whole, random))
        records = unpack("outer", data)
        if records != [UserRecord("outer", data)]:
            unpacked += 1
            assert records
            assert all(record.data in data for record in records)
            assert sum(len(record.data) for record in records) < len(data)
    assert unpacked > EACH / 10
