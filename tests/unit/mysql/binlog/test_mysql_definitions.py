"""A binlog that has no names: what its rows are read by, and what is noticed if that is another table."""

import struct

import pytest

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.definitions import members
from streamjoin.mysql.binlog.known_tables import Definition, KnownTables
from streamjoin.mysql.changes import Altered, BinlogPosition, Change, Committed, RowChange
from tests.faults.mysql import CHARSETS, QUERY, TABLE_MAP, WRITE_V2, XID, Binlog, query, rows_v2, table_map

LONG, VARCHAR, ENUM_AS_STRING = (3, b""), (15, b"\x14\0"), (254, b"\xf7\1")
NOW = BinlogPosition("binlog.000001", 1_000_000)


def table(*columns: SourceColumn) -> SourceTable:
    return SourceTable("shop", "t", columns, (columns[0].name,))


ID = SourceColumn("id", ColumnKind.INTEGER, "int(10) unsigned")
NAME = SourceColumn("name", ColumnKind.TEXT, "varchar(20)", "latin1")
SIZE = SourceColumn("size", ColumnKind.ENUM, "enum('s','it''s','ü')", "latin1")
IMAGE = struct.pack("<I", 2**32 - 1) + b"\1\xfc" + b"\3"


def unnamed(*types: tuple[int, bytes]) -> bytes:
    """Return a table map event's body with types alone."""
    body = table_map(types, [])
    return body[: len(body) - 2]


def read(binlog: Binlog, *definitions: Definition) -> list[Change]:
    asked = iter(definitions)
    known = KnownTables(lambda schema, name: True, (), define=lambda schema, name: next(asked))
    decoder = BinlogDecoder(BinlogPosition("binlog.000001", 4), known, CHARSETS, is_mariadb=False)
    found = [change for event in binlog.events for change in decoder.decode(event)]
    return [change for change in found if not isinstance(change, Committed)]


def written(*types: tuple[int, bytes], image: bytes, binlog: Binlog | None = None) -> Binlog:
    begun = (binlog or Binlog()).add(QUERY, query("BEGIN")).add(TABLE_MAP, unnamed(*types))
    return begun.add(WRITE_V2, rows_v2(len(types), image)).add(XID, bytes(8))


def test_names_signs_character_sets_and_members_are_those_of_the_definition():
    binlog = written(LONG, VARCHAR, ENUM_AS_STRING, image=IMAGE)
    found = table(ID, NAME, SIZE)
    (row,) = read(binlog, Definition(found, NOW, None))
    assert isinstance(row, RowChange)
    assert row.after == {"id": 2**32 - 1, "name": "ü", "size": "ü"}
    assert row.table is found


def test_rows_in_front_of_a_statement_that_changed_their_table_are_passed_over():
    binlog = written(LONG, VARCHAR, image=IMAGE[:6])
    binlog.add(QUERY, query("ALTER TABLE t CHANGE name other VARCHAR(20)"))
    changed = BinlogPosition("binlog.000001", binlog.offset)
    written(LONG, VARCHAR, image=IMAGE[:6], binlog=binlog)
    other = table(ID, SourceColumn("other", ColumnKind.TEXT, "varchar(20)", "latin1"))
    # It is asked again behind the statement, because by then it may be another table once more.
    altered, row = read(binlog, Definition(other, NOW, changed), Definition(other, NOW, changed))
    assert isinstance(altered, Altered)
    assert isinstance(row, RowChange)
    assert row.after == {"id": 2**32 - 1, "other": "ü"}


@pytest.mark.parametrize(
    "columns",
    [(ID,), (ID, NAME, SIZE), (ID, SourceColumn("name", ColumnKind.INTEGER, "int(11)"))],
    ids=["hidden", "more", "type"],
)
def test_rows_of_other_columns_have_their_table_loaded_again(columns):
    binlog = written(LONG, VARCHAR, image=IMAGE[:6])
    (found,) = read(binlog, Definition(table(*columns), NOW, None))
    if len(columns) == 1:
        # What stands behind a table's columns and isn't listed is the server's own.
        assert isinstance(found, RowChange)
        assert found.after == {"id": 2**32 - 1}
    else:
        assert isinstance(found, Altered)


def test_rows_that_fit_no_definition_of_their_own_place_are_an_error():
    binlog = written(LONG, VARCHAR, image=IMAGE[:6])
    with pytest.raises(SourceError, match=r"column 'name' of 'shop\.t' has the type varchar.*declared 'int\(11\)'"):
        wrong = table(ID, SourceColumn("name", ColumnKind.INTEGER, "int(11)"))
        read(binlog, Definition(wrong, BinlogPosition("binlog.000001", 4), None))


def test_rows_of_a_table_that_is_gone_by_now_are_passed_over():
    assert read(written(LONG, VARCHAR, image=IMAGE[:6]), Definition(None, NOW, NOW)) == []


def test_members_are_read_as_the_server_writes_them():
    declared = r"enum('a','it''s','back\\slash','new\nline','(,)','ü')"
    assert [member.decode() for member in members(declared)] == ["a", "it's", "back\\slash", "new\nline", "(,)", "ü"]
