"""Which tables are selected, and what is known of them while the binlog is read."""

from collections.abc import Callable, Iterable

from streamjoin.dms.source_table import SourceTable
from streamjoin.mysql.binlog import table as binlog_table
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.table import TableLayout
from streamjoin.mysql.statements import TableEffect

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


class KnownTables:
    """Tables that were there at the start, and those whose rows came since.

    Args:
        selects: Whether a table is to be replicated.
        tables: The selected ones at the start.
        look: Asks the server for a table as it is now; None if there is none.
        folds_case: Names are the same in capitals (`lower_case_table_names` is not 0).
    """

    def __init__(
        self,
        selects: Callable[[str, str], bool],
        tables: Iterable[SourceTable],
        look: Callable[[str, str], SourceTable | None] = lambda schema, name: None,
        *,
        folds_case: bool = False,
    ) -> None:
        self._selects, self._look, self._folds_case = selects, look, folds_case
        self._tables = {(table.schema, table.name): table for table in tables}
        self._selected: dict[tuple[str, str], bool] = {}

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

    def layout(self, body: bytes, charsets: Charsets, *, is_mariadb: bool) -> TableLayout | None:
        """Return how rows are read that a table map event stands before; None if they aren't replicated.

        Args:
            body: Of the event, without header and checksum.
            charsets: Decoders by collation.
            is_mariadb: The server is one.

        Raises:
            UnreadableTableError: The server's settings keep rows from being decoded.
        """
        place = binlog_table.table_name(body)
        if not self.selects(*place):
            return None
        known = self._tables.get(place) or self._look(*place)
        # What rows lack, or how they would be read wrong, nothing in the binlog tells.
        if known is not None and known.problems:
            self._tables[place] = known
            return TableLayout(known, ())
        listed = known.column_names if known else ()
        return self._recognised(binlog_table.parse(body, charsets, listed, is_mariadb=is_mariadb))

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
            return [key for key in self._tables if self._same(key[0], schema) and self.selects(*key)]
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


def _shape(table: SourceTable) -> tuple[object, ...]:
    return tuple((column.name, column.kind) for column in table.columns), table.primary_key
