"""A binlog that has no names: what its rows are read by, and what is noticed if that is another table."""

import struct
from collections.abc import Sequence

import pytest

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.definitions import members
from streamjoin.mysql.binlog.known_tables import Definition, KnownTables
from streamjoin.mysql.changes import Altered, BinlogPosition, Change, Committed, RowChange, Truncated
from tests.faults.mysql import CHARSETS, QUERY, TABLE_MAP, WRITE_V2, XID, Binlog, query, rows_v2, table_map

LONG, VARCHAR, ENUM_AS_STRING = (3, b""), (15, b"\x14\0"), (254, b"\xf7\1")
THEN, NOW = (BinlogPosition("binlog.000001", offset) for offset in (4, 1_000_000))


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


def read(
    binlog: Binlog, *definitions: Definition, known: Sequence[SourceTable] = (), look: SourceTable | None = None
) -> list[Change]:
    asked = iter(definitions)
    tables = KnownTables(lambda schema, name: True, known, lambda schema, name: look, lambda schema, name: next(asked))
    decoder = BinlogDecoder(BinlogPosition("binlog.000001", 4), tables, CHARSETS, is_mariadb=False)
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
        wrong = Definition(table(ID, SourceColumn("name", ColumnKind.INTEGER, "int(11)")), THEN, None)
        read(binlog, wrong, wrong)


@pytest.mark.parametrize("column", [NAME, SourceColumn("code", ColumnKind.INTEGER, "int(11)")], ids=["more", "type"])
def test_a_table_that_was_altered_unseen_since_it_was_asked_for_is_loaded_again(column):
    before = (LONG, LONG) if column != NAME else (LONG,)
    binlog = written(*before, image=IMAGE[:4] * len(before))
    after = Binlog(binlog.offset)
    written(*([LONG, VARCHAR] * 2)[: len(before) + (column == NAME)], image=IMAGE[:6], binlog=after)
    binlog.events += after.events
    was = table(ID) if column == NAME else table(ID, column)
    first, second = read(binlog, Definition(was, THEN, None), Definition(table(ID, NAME), NOW, None))
    assert isinstance(first, RowChange)
    assert isinstance(second, Altered)


def test_columns_of_the_servers_own_may_come_and_go():
    binlog = written(LONG, image=IMAGE[:4])
    written(LONG, LONG, image=IMAGE[:4] * 2, binlog=binlog)
    found = Definition(table(ID), THEN, None)
    assert [isinstance(change, RowChange) for change in read(binlog, found, found)] == [True, True]


def test_a_table_that_is_made_again_after_its_database_was_dropped_is_read():
    binlog = written(LONG, image=IMAGE[:4])
    binlog.add(QUERY, query("DROP DATABASE shop"))
    dropped = BinlogPosition("binlog.000001", binlog.offset)
    written(LONG, image=IMAGE[:4], binlog=binlog)
    truncated, row = read(binlog, Definition(None, dropped, dropped), Definition(table(ID), NOW, dropped))
    assert isinstance(truncated, Truncated)
    assert isinstance(row, RowChange)


def test_a_table_that_could_not_be_replicated_is_looked_at_again_when_it_was_dropped_and_made_again():
    binlog = written(LONG, image=IMAGE[:4])
    binlog.add(QUERY, query("DROP TABLE t"))
    written(LONG, image=IMAGE[:4], binlog=binlog)
    cascading = SourceTable("shop", "t", (ID,), ("id",), ("its foreign key has ON DELETE CASCADE",))
    left_out, _, row = read(binlog, Definition(table(ID), NOW, None), known=(cascading,), look=table(ID))
    assert isinstance(left_out, RowChange)
    assert left_out.table.problems
    assert isinstance(row, RowChange)
    assert row.after == {"id": 2**32 - 1}


def test_rows_of_a_table_that_is_gone_by_now_are_passed_over():
    assert read(written(LONG, VARCHAR, image=IMAGE[:6]), Definition(None, NOW, NOW)) == []


def test_members_are_read_as_the_server_writes_them():
    declared = r"enum('a','it''s','back\\slash','new\nline','(,)','ü')"
    assert [member.decode() for member in members(declared)] == ["a", "it's", "back\\slash", "new\nline", "(,)", "ü"]
