import json
import struct
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.mysql.binlog import json as binlog_json
from streamjoin.mysql.binlog import temporal as binlog_temporal
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.values import decimal_decoder, set_decoder, shortest_float
from streamjoin.mysql.gtids import MariaDbGtids, MysqlGtids
from tests.faults.mysql import UUID


def binary(value: Any, *, large: bool = False) -> tuple[int, bytes]:
    """Write a document as MySQL stores it: its type, and its bytes."""
    if value is None or isinstance(value, bool):
        return 4, bytes([{None: 0, True: 1, False: 2}[value]])
    if isinstance(value, float):
        return 11, struct.pack("<d", value)
    if isinstance(value, int):
        kinds = ((5, "<h"), (6, "<H"), (7, "<i"), (8, "<I"), (9, "<q"), (10, "<Q"))
        for kind, form in kinds:
            try:
                return kind, struct.pack(form, value)
            except struct.error:
                continue
    if isinstance(value, str):
        data, length = value.encode(), b""
        size = len(data)
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                return 12, length + data
    is_object = isinstance(value, dict)
    keys = [key.encode() for key in value] if is_object else []
    members = [binary(member, large=large) for member in (value.values() if is_object else value)]
    form, width = ("<I", 4) if large else ("<H", 2)
    head = 2 * width + len(keys) * (width + 2) + len(members) * (1 + width)
    entries, body = b"", b"".join(keys)
    at = head
    for key in keys:
        entries += struct.pack(form, at) + struct.pack("<H", len(key))
        at += len(key)
    for kind, data in members:
        inline = kind in (4, 5, 6) or (large and kind in (7, 8))
        entries += bytes([kind]) + (data.ljust(width, b"\0") if inline else struct.pack(form, head + len(body)))
        body += b"" if inline else data
    whole = struct.pack(form, len(members)) + struct.pack(form, head + len(body)) + entries + body
    return {(True, False): 0, (True, True): 1, (False, False): 2, (False, True): 3}[is_object, large], whole


# Doubles as MySQL 8.0.12 prints them in a document; 5.7.22 leaves `.0` out.
PRINTED = {
    **{0.0: "0.0", 1.0: "1.0", -100000.0: "-100000.0", 1e14: "100000000000000.0", 1e15: "1e15", 0.1: "0.1"},
    **{9007199254740992.0: "9.007199254740992e15", 1234567890123456.5: "1234567890123456.5", 1e300: "1e300"},
    **{-1.7976931348623157e308: "-1.7976931348623157e308", 5e-324: "5e-324", 1.5e-7: "0.00000015"},
    **{1e-15: "0.000000000000001", 9.99e-16: "9.99e-16", -1.2345678901234567e-14: "-0.000000000000012345678901234567"},
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.sampled_from([*PRINTED]) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


def printed(document: Any, *, has_point: bool) -> str:
    """Return a document as the server's own text."""
    if isinstance(document, dict):
        members = (
            f"{printed(name, has_point=has_point)}: {printed(each, has_point=has_point)}"
            for name, each in document.items()
        )
        return f"{{{', '.join(members)}}}"
    if isinstance(document, list):
        return f"[{', '.join(printed(each, has_point=has_point) for each in document)}]"
    if isinstance(document, float):
        return PRINTED[document] if has_point else PRINTED[document].removesuffix(".0")
    return json.dumps(document, ensure_ascii=False)


@given(document=documents, large=st.booleans())
def test_a_document_is_the_same_from_the_binlog_and_from_the_text_of_either_server(document, large):
    kind, data = binary(document, large=large)
    found = binlog_json.from_binary(bytes([kind]) + data)
    assert found == binlog_json.from_text(printed(document, has_point=True).encode())
    assert found == binlog_json.from_text(printed(document, has_point=False).encode())
    assert json.loads(found) == document


@pytest.mark.parametrize("value", PRINTED)
def test_a_double_of_a_document_is_what_the_server_prints(value):
    assert binlog_json.from_binary(b"\x0b" + struct.pack("<d", value)) == PRINTED[value].removesuffix(".0")


def test_a_long_text_in_a_document():
    assert binlog_json.from_binary(b"\x0c" + binary("x" * 20_000)[1]) == f'"{"x" * 20_000}"'


@pytest.mark.parametrize(
    ("column_type", "data", "text"),
    [
        (246, b"\x04\x02\x8c\x22", b"12.34"),
        (246, b"\x02\x00\x8c", b"12"),
        (246, b"\x04\x02\x8c\x32", b"12.50"),
        (246, b"\x1e\x01\x80\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x05", b"1000000002000000003.5"),
        (12, struct.pack("<q", ((2024 * 13 + 2) << 5 | 29) << 41 | (23 << 12 | 59 << 6 | 58) << 24 | 250_000),
         b'"2024-02-29 23:59:58.250000"'),
        (10, struct.pack("<q", ((2024 * 13 + 2) << 5 | 29) << 41), b'"2024-02-29"'),
        (11, struct.pack("<q", -((1 << 12 | 2 << 6 | 3) << 24 | 5)), b'"-01:02:03.000005"'),
        (16, b"\x05", b'"base64:type16:BQ=="'),
    ],
)  # fmt: skip
def test_a_value_that_json_has_not_is_what_the_server_prints(column_type, data, text):
    stored = b"\x0f" + bytes([column_type, len(data)]) + data
    assert binlog_json.from_binary(stored) == binlog_json.from_text(text)


def test_no_bytes_are_the_document_null():
    assert binlog_json.from_binary(b"") == "null"


@given(st.integers(1, 65).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, min(p, 38)))), st.data())
def test_a_decimal_is_exact(shape, data):
    precision, scale = shape
    unscaled = data.draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    digits = f"{abs(unscaled):0{precision}d}"
    whole, part = digits[: precision - scale], digits[precision - scale :]
    groups = [whole[: len(whole) % 9], *(whole[i : i + 9] for i in range(len(whole) % 9, len(whole), 9))]
    groups += [part[i : i + 9] for i in range(0, len(part), 9)]
    stored = b"".join(int(g).to_bytes((0, 1, 1, 2, 2, 3, 3, 4, 4, 4)[len(g)], "big") for g in groups if g)
    if unscaled < 0:
        stored = bytes(byte ^ 0xFF for byte in stored)
    stored = bytes([stored[0] ^ 0x80]) + stored[1:]
    value, end = decimal_decoder(precision, scale)(b"??" + stored + b"!", 2)
    assert end == 2 + len(stored)
    assert value.as_tuple() == Decimal(f"{unscaled}E-{scale}").as_tuple()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_short_and_the_same(value):
    short = shortest_float(value)
    assert struct.pack("<f", short) == struct.pack("<f", value)
    assert len(f"{short!r}".lstrip("-").replace(".", "").split("e")[0].strip("0")) <= 9


def test_members_of_a_set_keep_their_order():
    assert set_decoder(1, ["z", "y", "x"])(b"\x05", 0) == ("z,x", 1)


@pytest.mark.parametrize(
    ("decode", "data", "text"),
    [
        (binlog_temporal.read_old_datetime, (20_240_229_235_958).to_bytes(8, "little"), "2024-02-29 23:59:58"),
        (binlog_temporal.read_old_datetime, bytes(8), "0000-00-00 00:00:00"),
        (binlog_temporal.read_old_time, (-8_385_959).to_bytes(3, "little", signed=True), "-838:59:59"),
        (binlog_temporal.read_old_time, (5).to_bytes(3, "little"), "00:00:05"),
        (binlog_temporal.read_old_timestamp, (86_400).to_bytes(4, "little"), "1970-01-02 00:00:00"),
        (binlog_temporal.timestamp_decoder(0), (2**32 - 1).to_bytes(4, "big"), "2106-02-07 06:28:15"),
    ],
)
def test_times_of_old_tables_and_of_far_years(decode, data, text):
    assert decode(data, 0) == (text, len(data))


def test_a_character_set_that_isnt_known_has_no_decoder():
    charsets = Charsets({8: "latin1", 9: "strange"}, {"latin1": "".join(map(chr, range(256)))}.get)
    decode = charsets.decoder(8)
    assert decode is not None
    assert decode(b"\x81\xe9") == "\x81é"
    assert charsets.decoder(9) is None
    assert charsets.decoder(63) is None
    assert charsets.decoder(1_000) is None


def test_a_list_of_mariadb_keeps_the_last_of_each_domain():
    gtids = MariaDbGtids("7-1-3, 0-1-16")
    gtids.add(0, 2, 17)
    assert str(gtids) == "0-2-17,7-1-3"


@given(st.lists(st.integers(1, 40), unique=True, min_size=1), st.integers(0, 40))
def test_a_set_of_mysql_is_its_numbers_in_intervals(numbers, split):
    first = ":".join(str(number) for number in numbers[:split])
    gtids = MysqlGtids(f"{UUID.upper()}:{first}" if first else "")
    for number in numbers[split:]:
        gtids.add(UUID, number)
        assert str(gtids)
    ((_, intervals),) = gtids.items()
    assert [n for low, high in intervals for n in range(low, high + 1)] == sorted(numbers)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(intervals))
    assert str(MysqlGtids(str(gtids))) == str(gtids)
