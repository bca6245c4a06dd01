"""Which tables are selected, and what is known of them while the binlog is read."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from streamjoin.dms.source_table import SourceColumn, SourceTable
from streamjoin.mysql.binlog import table as binlog_table
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.definitions import OtherDefinitionError
from streamjoin.mysql.binlog.raw_columns import table_name
from streamjoin.mysql.binlog.table import TableLayout, UnnamedColumnsError, UnreadableTableError
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.mysql.statements import TableEffect

log = logging.getLogger(__name__)

SYSTEM_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
# A sequence of MariaDB is a table of one row with these columns; its numbers are no rows.
_SEQUENCE = (
    "next_not_cached_value",
    "minimum_value",
    "maximum_value",
    "start_value",
    "increment",
    "cache_size",
    "cycle_option",
    "cycle_count",
)


@dataclass(frozen=True)
class Definition:
    """A table as `information_schema` has it at a known place of the binlog.

    Args:
        table: The table; None if there is none of this name.
        position: Where that is so.
        changed: The end of the last statement before `position` that made the table what it is, as far as the binlog
            is read ahead: `table` is right for rows behind it, and a load or a deletion follows rows in front of it.
    """

    table: SourceTable | None
    position: BinlogPosition
    changed: BinlogPosition | None


class KnownTables:
    """Tables that were there at the start, and those whose rows came since.

    Args:
        selects: Whether a table is to be replicated.
        tables: The selected ones at the start.
        look: Asks the server for a table as it is now; None if there is none.
        define: Asks for a table's definition, for a binlog without names; None if that can't be asked.
        folds_case: Names are the same in capitals (`lower_case_table_names` is not 0).
    """

    def __init__(
        self,
        selects: Callable[[str, str], bool],
        tables: Iterable[SourceTable],
        look: Callable[[str, str], SourceTable | None] = lambda schema, name: None,
        define: Callable[[str, str], Definition | None] = lambda schema, name: None,
        *,
        folds_case: bool = False,
    ) -> None:
        self._selects, self._look, self._folds_case = selects, look, folds_case
        self._tables = {(table.schema, table.name): table for table in tables}
        self._selected: dict[tuple[str, str], bool] = {}
        # Tables whose rows were passed over.
        self._gone: set[tuple[str, str]] = set()
        self._define, self._defined = define, dict[tuple[str, str], Definition | None]()
        # How many columns rows have that were read by a definition.
        self._widths: dict[tuple[str, str], int] = {}
        # Tables that a statement changed since they were looked at.
        self._changed: set[tuple[str, str]] = set()

    @property
    def tables(self) -> tuple[SourceTable, ...]:
        """All that are known."""
        return tuple(self._tables.values())

    def selects(self, schema: str, name: str) -> bool:
        """Tell whether a table is to be replicated."""
        key = (schema, name)
        if key not in self._selected:
            self._selected[key] = schema.lower() not in SYSTEM_SCHEMAS and self._selects(schema, name)
        return self._selected[key]

    def layout(
        self, body: bytes, charsets: Charsets, position: BinlogPosition, *, is_mariadb: bool
    ) -> TableLayout | None:
        """Return how rows are read that a table map event stands before; None if they aren't replicated.

        They aren't either if the binlog has no names and the table is another one by now, or gone: a statement that
        lies ahead has it loaded again, or its items deleted.

        Args:
            body: Of the event, without header and checksum.
            charsets: Decoders by collation.
            position: Where the event ends.
            is_mariadb: The server is one.

        Raises:
            OtherDefinitionError: The binlog has no names, and no statement made the table another one; its rows are
                to be loaded.
            UnreadableTableError: The server's settings keep rows from being decoded.
        """
        place = table_name(body)
        if not self.selects(*place):
            return None
        known = self._tables.get(place)
        if known is None or place in self._changed:
            self._changed.discard(place)
            known = self._look(*place) or known
        # What rows lack, or how they would be read wrong, nothing in the binlog tells.
        if known is not None and known.problems:
            self._tables[place] = known
            return TableLayout(known, ())
        listed = _listed(known) if known else {}
        try:
            return self._recognised(binlog_table.parse(body, charsets, listed, is_mariadb=is_mariadb))
        except UnnamedColumnsError:
            found = self._definition(*place)
            if found is None:
                raise
        if found.changed is not None and position.order < found.changed.order:
            if found.table is None:
                self._warn_of_gone(*place)
            return None
        table = found.table
        if table is None:
            self.forget(*place)
            message = f"rows of '{'.'.join(place)}' come, which was removed unseen by the binlog"
            raise OtherDefinitionError(message)
        self._tables[place] = table
        if table.problems:
            return TableLayout(table, ())
        try:
            layout = binlog_table.parse(body, charsets, _listed(table), is_mariadb=is_mariadb, definition=table)
        except OtherDefinitionError as error:
            if position.order < found.position.order or self._is_another(place, found):
                raise
            message = f"{error}: set binlog_row_metadata=FULL, or exclude the table"
            raise UnreadableTableError(message) from error
        # The server's own columns, which no definition has, may come and go; a new one of the table looks like them.
        width = len(layout.readers)
        before = self._widths.setdefault(place, width)
        if width != before and self._is_another(place, found):
            message = f"a row of '{table}' has {width} columns in the binlog, and had {before}"
            raise OtherDefinitionError(message)
        self._widths[place] = width
        return self._recognised(layout)

    def _is_another(self, place: tuple[str, str], found: Definition) -> bool:
        """Ask again for a table's definition; tell whether it is another one than `found`."""
        self.forget(*place)
        again = self._definition(*place)
        return again is None or again.table != found.table

    def _definition(self, schema: str, name: str) -> Definition | None:
        key = (schema, name)
        if key not in self._defined:
            self._defined[key] = self._define(schema, name)
        return self._defined[key]

    def _warn_of_gone(self, schema: str, name: str) -> None:
        if (schema, name) not in self._gone:
            self._gone.add((schema, name))
            log.warning(
                "table '%s.%s' is gone by now: its rows are passed over, as the binlog has no names of their columns",
                *(schema, name),
            )

    def forget(self, schema: str, name: str) -> None:
        """Ask again for a table's definition when its next rows come: a statement changed it."""
        self._defined.pop((schema, name), None)
        self._widths.pop((schema, name), None)
        self._changed.add((schema, name))

    def _recognised(self, layout: TableLayout) -> TableLayout | None:
        """Return a layout with the table object that is known already, if it is the same table; None for a sequence."""
        table = layout.table
        if table.column_names == _SEQUENCE:
            return None
        known = self._tables.get((table.schema, table.name))
        if known is not None and _shape(known) == _shape(table):
            return TableLayout(known, layout.readers)
        self._tables[table.schema, table.name] = table
        return layout

    def tables_of(self, effect: TableEffect) -> list[tuple[str, str]]:
        """Return the selected tables that a statement's effect is about."""
        if effect.name is None:
            schema = effect.schema
            met = dict.fromkeys((*self._tables, *self._defined))
            return [key for key in met if self._same(key[0], schema) and self.selects(*key)]
        key = self._spelled(effect.schema, effect.name)
        # Of a statement that changes rows we know names of anything: only tables count.
        if effect.is_rows and key not in self._tables:
            return []
        return [key] if self.selects(*key) else []

    def _same(self, left: str, right: str) -> bool:
        return left == right or (self._folds_case and left.lower() == right.lower())

    def _spelled(self, schema: str, name: str) -> tuple[str, str]:
        """Return a name as the server stores it."""
        if not self._folds_case or (schema, name) in self._tables:
            return schema, name
        same = (key for key in self._tables if self._same(key[0], schema) and self._same(key[1], name))
        return next(same, (schema.lower(), name.lower()))


def _listed(table: SourceTable) -> dict[str, SourceColumn]:
    return {column.name: column for column in table.columns}


def _shape(table: SourceTable) -> tuple[object, ...]:
    return tuple((column.name, column.kind) for column in table.columns), table.primary_key
