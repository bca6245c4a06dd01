"""Which tables are selected, and what is known of them while the binlog is read."""

from collections.abc import Callable, Iterable

from streamjoin.dms.source_table import SourceTable
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
        folds_case: Names are the same in capitals (`lower_case_table_names` is not 0).
    """

    def __init__(
        self, selects: Callable[[str, str], bool], tables: Iterable[SourceTable], *, folds_case: bool = False
    ) -> None:
        self._selects, self._folds_case = selects, folds_case
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

    def columns(self, schema: str, name: str) -> tuple[str, ...]:
        """Return the names of a table's columns; none if it isn't known."""
        known = self._tables.get((schema, name))
        return known.column_names if known else ()

    def recognised(self, layout: TableLayout) -> TableLayout | None:
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
