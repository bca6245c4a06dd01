import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import RejectReason
from streamjoin.records.compression import Unpacker
from streamjoin.records.decode import decode_batch
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from streamjoin.records.values import Rejected
from streamjoin.schema.ddl import parse_schema

MIB = 1024 * 1024
Pack = Callable[[bytes], bytes]


def zstd_stream(content: bytes) -> bytes:
    """Return a frame that doesn't say how large its content is."""
    stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return stream.compress(content) + stream.flush()


PACKS: list[Pack] = [gzip.compress, zstandard.compress, zstd_stream]
packs = pytest.mark.parametrize("pack", PACKS, ids=["gzip", "zstd", "zstd stream"])


def reason_of(packed: bytes, bound: int = MIB) -> RejectReason:
    rejected = Unpacker(bound)(packed)
    assert isinstance(rejected, Rejected)
    assert rejected.detail
    return rejected.reason


@packs
@given(st.lists(st.binary(max_size=600), min_size=1, max_size=3))
def test_what_was_packed_comes_out_also_of_several_members(pack: Pack, contents: list[bytes]) -> None:
    assert Unpacker(MIB)(b"".join(map(pack, contents))) == b"".join(contents)


@given(st.binary())
def test_what_is_not_compressed_is_itself(content: bytes) -> None:
    if not content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        assert Unpacker(0)(content) == content


@packs
def test_one_layer_is_undone(pack: Pack) -> None:
    assert Unpacker(MIB)(pack(pack(b"content"))) == pack(b"content")
    decoder = PayloadDecoder(parse_schema("a string"))
    twice = decoder(pack(pack(b'{"a": "x"}')))
    assert isinstance(twice, Rejected)
    assert twice.reason == RejectReason.NOT_UTF8
    assert decoder(pack(b'{"a": "x"}')) == ["x"]


@packs
def test_content_cut_short_is_rejected_wherever_it_is_cut(pack: Pack) -> None:
    packed = pack(bytes(range(256)) * 4)
    for second in (b"", packed):
        for cut in range(2 if pack is gzip.compress else 4, len(packed)):
            assert reason_of(second + packed[:cut]) == RejectReason.MALFORMED_COMPRESSION


@packs
@pytest.mark.parametrize("rest", [b"x", b"\x00\x00", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b'{"a": 1}'])
def test_bytes_behind_the_content_are_not_passed_over(pack: Pack, rest: bytes) -> None:
    assert reason_of(pack(b"content") + rest) == RejectReason.MALFORMED_COMPRESSION


def test_content_that_fails_its_checksum_is_rejected() -> None:
    for pack, place in ((gzip.compress, -8), (zstd_stream, -4)):
        packed = bytearray(pack(b"content"))
        packed[place] ^= 1
        assert reason_of(bytes(packed)) == RejectReason.MALFORMED_COMPRESSION


@packs
def test_content_of_the_bound_fits_and_a_byte_more_is_too_large(pack: Pack) -> None:
    assert Unpacker(1000)(pack(bytes(1000))) == bytes(1000)
    assert reason_of(pack(bytes(1001)), 1000) == RejectReason.TOO_LARGE
    assert reason_of(pack(bytes(600)) * 2, 1000) == RejectReason.TOO_LARGE
    rejected = PayloadDecoder(parse_schema("a string"), PayloadFormat(max_unpacked_bytes=1000))(pack(bytes(1001)))
    assert isinstance(rejected, Rejected)
    assert rejected.detail.endswith("larger than payload.max_unpacked_bytes, 1000")


def repeated(member: bytes) -> bytes:
    return member * (MIB // len(member))


def zeros(stream: "zlib._Compress | zstandard.ZstdCompressionObj", size_mib: int) -> bytes:
    return b"".join(stream.compress(bytes(MIB)) for _ in range(size_mib)) + stream.flush()


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(lambda: zeros(zlib.compressobj(9, zlib.DEFLATED, 31), 500), id="gzip"),
        pytest.param(lambda: zeros(zstandard.ZstdCompressor().compressobj(), 500), id="zstd"),
        pytest.param(lambda: zstandard.compress(bytes(100 * MIB)), id="zstd that says its size"),
        pytest.param(lambda: repeated(gzip.compress(bytes(20_000))), id="many members"),
        pytest.param(lambda: repeated(zstd_stream(bytes(100_000))), id="many frames"),
        # A header alone: one segment of 10 GiB, and a window of 2 GiB.
        pytest.param(
            lambda: b"\x28\xb5\x2f\xfd\xe0" + (10 * 1024**3).to_bytes(8, "little") + b"\x01\x00\x00", id="size"
        ),
        pytest.param(lambda: b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00", id="window"),
    ],
)
def test_memory_is_bounded_whatever_the_content_is_or_says(bomb: Callable[[], bytes]) -> None:
    packed = bomb()
    tracemalloc.start()
    try:
        assert reason_of(packed, MIB) == RejectReason.TOO_LARGE
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 * MIB


def test_many_empty_members_are_unpacked_in_time_that_grows_with_their_number() -> None:
    assert Unpacker(MIB)(repeated(gzip.compress(b""))) == b""
    assert Unpacker(MIB)(repeated(zstandard.compress(b""))) == b""


def test_payloads_that_unpack_to_much_are_decoded_in_parts_and_none_is_lost() -> None:
    schema = parse_schema("a string")
    payloads = [gzip.compress(b'{"a": "%s"}' % (b"x" * size)) for size in (10, 5000, 10, 10, 9000, 10)]
    records = pa.RecordBatch.from_arrays([pa.array(payloads, pa.binary())], names=["data"])
    parts = list(decode_batch(records, PayloadDecoder(schema), schema, max_decoded_bytes=4000))
    assert [part.num_rows for part in parts] == [2, 3, 1]
    assert [data for part in parts for data in part.column("data").to_pylist()] == payloads
    assert [len(row["a"]) for part in parts for row in part.column("_event").to_pylist()] == [
        10,
        5000,
        10,
        10,
        9000,
        10,
    ]
