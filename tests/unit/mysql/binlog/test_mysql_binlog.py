"""Events as MySQL writes them: ids, times, compressed transactions, large files."""

import struct

import pytest
import zstandard

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.dump import BinlogEvent
from streamjoin.mysql.binlog.known_tables import KnownTables
from streamjoin.mysql.changes import Altered, BinlogPosition, Change, Committed, RowChange, Truncated
from tests.faults.mysql import (
    CHARSETS,
    QUERY,
    TABLE_MAP,
    UUID,
    WRITE_V2,
    XID,
    Binlog,
    field,
    gtid,
    query,
    rows_v2,
    table_map,
)

LONG, LONGLONG, YEAR, GEOMETRY, VARCHAR = 3, 8, 13, 255, 15
ROTATE, UPDATE_V2, GTID, ANONYMOUS, PARTIAL, PAYLOAD = 4, 31, 33, 34, 39, 40
IDS = table_map([(LONG, b"")], ["id"], field(1, b"\x80"), field(8, b"\0"))


def decoder(start: BinlogPosition | None = None, *, folds_case: bool = False) -> BinlogDecoder:
    known = KnownTables(lambda schema, name: schema == "shop", (), folds_case=folds_case)
    return BinlogDecoder(start or BinlogPosition("binlog.000001", 4), known, CHARSETS, is_mariadb=False)


def changes(binlog: Binlog, reader: BinlogDecoder | None = None) -> list[Change]:
    reader = reader or decoder()
    return [change for event in binlog.events for change in reader.decode(event)]


def transaction(number: int, *, row_bytes: bytes = struct.pack("<I", 7), binlog: Binlog | None = None) -> Binlog:
    begun = (binlog or Binlog()).add(GTID, gtid(number)).add(QUERY, query("BEGIN"))
    return begun.add(TABLE_MAP, IDS).add(WRITE_V2, rows_v2(1, row_bytes)).add(XID, bytes(8))


def test_a_transaction_is_its_rows_and_its_end_with_the_set_of_ids():
    binlog = transaction(6)
    reader = decoder(BinlogPosition("binlog.000001", 4, f"{UUID}:1-5"))
    row, end = changes(binlog, reader)
    assert isinstance(row, RowChange)
    assert (row.operation, row.after, row.row) == ("insert", {"id": 7}, 0)
    assert row.table.primary_key == ("id",)
    assert end == Committed(BinlogPosition("binlog.000001", binlog.offset, f"{UUID}:1-6"), 1_700_000_000_000)


def test_the_time_of_a_commit_has_microseconds_if_mysql_writes_them():
    binlog = Binlog().add(GTID, gtid(1, 1_700_000_000_123_456 | 1 << 55)).add(QUERY, query("BEGIN"))
    binlog.add(TABLE_MAP, IDS).add(WRITE_V2, rows_v2(1, struct.pack("<I", 7))).add(XID, bytes(8))
    assert {change.changed_at_ms for change in changes(binlog)} == {1_700_000_000_123}


def test_a_server_without_ids_has_positions_without_them():
    binlog = Binlog().add(ANONYMOUS, gtid(0)).add(QUERY, query("TRUNCATE t"))
    truncated, end = changes(binlog)
    assert isinstance(truncated, Truncated)
    assert end.position == BinlogPosition("binlog.000001", binlog.offset, None)


def test_an_id_with_a_tag_leaves_file_and_offset():
    binlog = Binlog().add(42, b"whatever").add(QUERY, query("BEGIN")).add(XID, bytes(8))
    (end,) = changes(binlog, decoder(BinlogPosition("binlog.000001", 4, f"{UUID}:1-5")))
    assert end.position.gtid is None


def test_a_compressed_transaction_is_one_place_with_rows_in_order():
    inner = b""
    for kind, body in (
        (QUERY, query("BEGIN")), (TABLE_MAP, IDS), (WRITE_V2, rows_v2(1, struct.pack("<I", 1), struct.pack("<I", 2))),
        (WRITE_V2, rows_v2(1, struct.pack("<I", 3))), (XID, bytes(8)),
    ):  # fmt: skip
        inner += struct.pack("<IBIIIH", 1_700_000_000, kind, 1, 19 + len(body), 0, 0) + body
    payload = field(2, b"\0") + field(3, b"\xfc" + struct.pack("<H", len(inner))) + b"\0"
    binlog = Binlog().add(GTID, gtid(1)).add(PAYLOAD, payload + zstandard.compress(inner))
    *rows, end = changes(binlog, decoder(BinlogPosition("binlog.000001", 4, "")))
    assert [(row.after, row.row, row.position.offset) for row in rows if isinstance(row, RowChange)] == [
        ({"id": number}, number - 1, binlog.offset) for number in (1, 2, 3)
    ]
    assert end == Committed(BinlogPosition("binlog.000001", binlog.offset, f"{UUID}:1"), 1_700_000_000_000)


def test_offsets_go_on_above_four_gigabytes():
    binlog = Binlog(offset=0xFFFFFFF0)
    transaction(1, binlog=binlog)
    row, end = changes(binlog, decoder(BinlogPosition("binlog.000001", 0xFFFFFFF0)))
    assert 2**32 < row.position.offset < end.position.offset == binlog.offset


@pytest.mark.parametrize(("signs", "is_known"), [(b"\x40", False), (b"\x40", True), (b"\x20", True)])
def test_a_sign_belongs_to_its_column_also_after_a_year(signs, is_known):
    """8.0.12 has no sign of a YEAR; of a server that has one, today's declarations tell it."""
    declared = (("y", "year"), ("a", "int"), ("b", "bigint unsigned"))
    columns = tuple(SourceColumn(name, ColumnKind.INTEGER, words) for name, words in declared)
    known = KnownTables(lambda schema, name: True, [SourceTable("shop", "t", columns, ())] * is_known)
    reader = BinlogDecoder(BinlogPosition("binlog.000001", 4), known, CHARSETS, is_mariadb=False)
    body = table_map([(YEAR, b""), (LONG, b""), (LONGLONG, b"")], ["y", "a", "b"], field(1, signs))
    image = b"\x7c" + struct.pack("<i", -5) + struct.pack("<Q", 2**64 - 1)
    binlog = Binlog().add(TABLE_MAP, body).add(WRITE_V2, rows_v2(3, image))
    (row,) = changes(binlog, reader)
    assert isinstance(row, RowChange)
    assert row.after == {"y": 2024, "a": -5, "b": 2**64 - 1}


def test_a_spatial_column_of_mysql_has_no_character_set():
    body = table_map([(GEOMETRY, b"\4"), (VARCHAR, b"\x14\0")], ["g", "v"], field(2, b"\xfc\xff\0"))
    image = struct.pack("<I", 2) + b"gg" + b"\3\xc3\xbcx"
    (row,) = changes(Binlog().add(TABLE_MAP, body).add(WRITE_V2, rows_v2(2, image)))
    assert isinstance(row, RowChange)
    assert row.after == {"g": b"gg", "v": "üx"}
    assert [column.kind for column in row.table.columns] == [ColumnKind.BINARY, ColumnKind.TEXT]


def test_a_collation_that_differs_from_the_default_belongs_to_its_column():
    exceptions = b"\0\x3f" + b"\2\x3f"
    body = table_map([(VARCHAR, b"\x14\0")] * 3, ["a", "b", "c"], field(2, b"\xfc\xff\0" + exceptions))
    image = b"\1\xff" + b"\2\xc3\xbc" + b"\1\xfe"
    (row,) = changes(Binlog().add(TABLE_MAP, body).add(WRITE_V2, rows_v2(3, image)))
    assert isinstance(row, RowChange)
    assert row.after == {"a": b"\xff", "b": "ü", "c": b"\xfe"}


def test_extra_data_before_rows_and_both_images_of_an_update_are_passed():
    body = rows_v2(1, struct.pack("<I", 1), struct.pack("<I", 2), bitmaps=2, extra=b"\1\0\0\0\0")
    (row,) = changes(Binlog().add(TABLE_MAP, IDS).add(UPDATE_V2, body))
    assert isinstance(row, RowChange)
    assert (row.before, row.after) == ({"id": 1}, {"id": 2})


def test_a_rollback_of_half_a_transaction_has_its_tables_loaded_again():
    binlog = Binlog().add(QUERY, query("BEGIN")).add(TABLE_MAP, IDS).add(WRITE_V2, rows_v2(1, struct.pack("<I", 7)))
    row, altered, end = changes(binlog.add(QUERY, query("ROLLBACK")))
    assert isinstance(row, RowChange)
    assert isinstance(altered, Altered)
    assert isinstance(end, Committed)


def test_two_phases_of_mysql_in_one_or_in_two_steps():
    def phases(one_phase: bool) -> Binlog:
        prepare = struct.pack("<?III", one_phase, 1, 1, 0) + b"x"
        binlog = Binlog().add(QUERY, query("XA START X'78',X'',1")).add(TABLE_MAP, IDS)
        binlog.add(WRITE_V2, rows_v2(1, struct.pack("<I", 7))).add(QUERY, query("XA END X'78',X'',1"))
        return binlog.add(38, prepare)

    assert [type(change) for change in changes(phases(True))] == [Altered, Committed]
    two = phases(False)
    assert [type(change) for change in changes(two)] == [Committed]
    two.add(QUERY, query("XA COMMIT X'78',X'',1"))
    assert [type(change) for change in changes(two)] == [Committed, Altered, Committed]


def test_a_file_that_is_another_one_now_starts_new_numbers():
    reader = decoder()
    changes(transaction(1), reader)
    rotate = BinlogEvent(ROTATE, 0, 1, 44, 0, is_artificial=True, body=struct.pack("<Q", 4) + b"binlog.000002")
    (end,) = reader.decode(rotate)
    assert end.position == BinlogPosition("binlog.000002", 4, None)
    with pytest.raises(SourceError, match=r"binlog\.000002.*can't be read"):
        changes(Binlog().add(WRITE_V2, rows_v2(1, struct.pack("<I", 7))), reader)


def test_a_file_of_a_lower_number_is_refused():
    rotate = BinlogEvent(ROTATE, 0, 1, 44, 0, is_artificial=True, body=struct.pack("<Q", 4) + b"binlog.000001")
    reader = decoder(BinlogPosition("binlog.000007", 4))
    changes(transaction(1), reader)
    with pytest.raises(SourceError, match=r"000007.*000001.*--reload"):
        reader.decode(rotate)


def test_json_in_parts_is_refused_only_if_it_is_selected():
    with pytest.raises(SourceError, match=r"binlog_row_value_options.*--reload"):
        changes(Binlog().add(TABLE_MAP, IDS).add(PARTIAL, rows_v2(1)))
    other = IDS.replace(b"\4shop", b"\4dull")
    assert all(
        isinstance(change, Committed)
        for change in changes(Binlog().add(TABLE_MAP, other).add(PARTIAL, b"\7" + bytes(9)))
    )


def test_changes_missing_from_the_binlog_are_an_error():
    with pytest.raises(SourceError, match=r"changes are missing.*--reload"):
        changes(Binlog().add(26, b"\1\0"))


def test_rows_of_a_table_with_an_unknown_type_are_one_change_that_says_why_they_are_not_read():
    binlog = Binlog().add(TABLE_MAP, table_map([(99, b"")], ["x"])).add(WRITE_V2, rows_v2(1, b"??", b"?"))
    (found,) = [change for change in changes(binlog) if isinstance(change, RowChange)]
    assert (str(found.table), found.before, found.after) == ("shop.t", None, None)
    assert found.table.problems == ("a column has the type number 99, which isn't known; exclude the table",)


def test_names_in_capitals_are_the_stored_ones_if_the_server_says_so():
    binlog = Binlog().add(TABLE_MAP, IDS).add(QUERY, query("TRUNCATE SHOP.T")).add(QUERY, query("DROP DATABASE Shop"))
    found = [change for change in changes(binlog, decoder(folds_case=True)) if isinstance(change, Truncated)]
    assert [(change.schema, change.name) for change in found] == [("shop", "t")] * 2
    assert not [change for change in changes(binlog) if isinstance(change, Truncated)]


# Of gbk's letters the second ends with the byte of a backslash, the third with that of a back-quote.
@pytest.mark.parametrize(
    ("collation", "charset", "name"), [(8, "latin-1", "é"), (28, "gbk", "表誠乣"), (255, "utf-8", "表")]
)
def test_a_statement_in_the_character_set_of_its_client(collation, charset, name):
    client = collation.to_bytes(2, "little")
    status = b"\0" + bytes(4) + b"\1" + bytes(8) + b"\6\3std" + b"\4" + client * 3
    body = query("TRUNCATE x", status=status)[:-1] + f"`{name}`".encode(charset)
    truncated, _ = changes(Binlog().add(QUERY, body))
    assert isinstance(truncated, Truncated)
    assert truncated.name == name
