"""Which target table the rows of each source table go to, and by which mapping."""

import logging
from collections.abc import Callable, Iterable, Sequence

from streamjoin.dms import ItemMapping, SourceTable, TableMappings
from streamjoin.dms.source_table import schema_and_table, table_name
from streamjoin.dms.table_mappings import target_taken
from streamjoin.dynamodb.write.tables import UnfitTableError
from streamjoin.errors import ConfigError, SourceError

log = logging.getLogger(__name__)


class Routes:
    """Mappings of the tables that the job has met, each for the definition that was met last.

    A table that can't be mapped is refused if a rule names it. If wildcards alone select it, it is left out, and its
    items, if it has any, are left as they are: the other tables go on.

    Args:
        mappings: The file's rules.
        prepare: Makes or checks the target table of a mapping; called before its first item is written.
        has_written: Tells whether the job is known to have written items to a target table.
        is_there: Tells whether the server has a table (schema and name) now.

    Attributes:
        yielding: Tables (`schema.table`) that came when another one had their target, and are left out because of that.
    """

    def __init__(
        self,
        mappings: TableMappings,
        prepare: Callable[[ItemMapping], None],
        has_written: Callable[[str], bool] = lambda target: False,
        is_there: Callable[[str, str], bool] = lambda schema, table: True,
    ) -> None:
        self._mappings, self._prepare, self._has_written, self._is_there = mappings, prepare, has_written, is_there
        self.yielding = set[str]()
        self._found: dict[str, ItemMapping] = {}
        self._left_out: dict[str, SourceTable] = {}
        self._prepared: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
        self._warned: set[str] = set()

    def selects(self, schema: str, table: str) -> bool:
        """Tell whether the rules select a table."""
        return self._mappings.selects(schema, table)

    def add(self, tables: Iterable[SourceTable], *, none_will_do: bool = False) -> None:
        """Find the mappings of the tables as they are now, and prepare their targets.

        Raises:
            ConfigError: Lists what is wrong with those that rules name, or with all if none is left and that won't do.
            SinkError: A target table of those that rules name is missing, or has another key.
        """
        found = {str(table): table for table in tables}
        # Tried again, a process knows which came first.
        later = self.yielding | (found.keys() - self._found.keys() if self._found else set())
        mapped = self._mappings.for_tables(found.values(), none_will_do=none_will_do, yielding=later)
        for name, problems in mapped.left_out.items():
            self._leave_out(found[name], problems)
            if name in mapped.yielding:
                self.yielding.add(name)
        for mapping in mapped.mappings:
            self._add(mapping)

    @property
    def named(self) -> tuple[str, ...]:
        """The tables (`schema.table`) that the rules name one by one, whether they are there or not."""
        places = ((rule.locator.schema.text, rule.locator.table.text) for rule in self._mappings.object_mappings)
        names = tuple(table_name(schema, table) for schema, table in places if self.selects(schema, table))
        # As a server without case spells them.
        return tuple(map(str.lower, names)) if self._mappings.ignore_case else names

    def in_load_order(self, tables: Iterable[SourceTable]) -> list[SourceTable]:
        """Return the tables as the rules want them to be loaded, one after the other."""
        return sorted(tables, key=lambda table: -self._mappings.load_order(table.schema, table.name))

    def current(self, table: SourceTable) -> ItemMapping | None:
        """Return how rows of `table`, as it is now, become items; None if it is left out.

        Raises:
            SourceError: The rules don't fit the table, and one of them names it.
            SinkError: The target table is missing, or has another key.
        """
        return self._mapping(table, missing_as_null=False)

    def mapping(self, table: SourceTable) -> ItemMapping | None:
        """Return how rows of `table`, as the binlog has it, become items; a column that it lacks counts as NULL.

        Raises:
            SourceError: The rules don't fit the table, and one of them names it.
            SinkError: The target table is missing, or has another key.
        """
        name = str(table)
        found = self._found.get(name)
        if name in self._left_out and (self._left_out[name] is table or self._left_out[name] == table):
            return None
        if found is not None and (found.source is table or found.source == table) and name not in self._left_out:
            return found
        return self._mapping(table, missing_as_null=True)

    @property
    def tables(self) -> tuple[SourceTable, ...]:
        """The tables that are known, each as it was met last."""
        found = {name: mapping.source for name, mapping in self._found.items()}
        return tuple({**found, **self._left_out}.values())

    def is_left_out(self, name: str) -> bool:
        """Tell whether the table `name` (`schema.table`), as it was met last, is left out."""
        return name in self._left_out

    def is_known(self, name: str) -> bool:
        """Tell whether a row or a definition of the table `name` (`schema.table`) was met."""
        return name in self._found

    def target(self, name: str) -> str | None:
        """Return where the rows of the table `name` go, or went; None if it isn't known to have any."""
        if name in self.yielding:
            return None
        found = self._found.get(name)
        if found is not None:
            return found.target_table
        gone = SourceTable(*schema_and_table(name), (), ())
        try:
            return self._mappings.for_table(gone, missing_as_null=True).target_table
        except ConfigError:
            # What key it had, or whether it fitted, nobody knows any more.
            target = self._mappings.target_name(gone)
            return target if self._has_written(target) else None

    def sharing(self, target: str) -> tuple[str, ...]:
        """Return the names of the tables whose rows go to `target`."""
        return tuple(name for name, mapping in self._found.items() if mapping.target_table == target)

    def waiting(self, target: str) -> tuple[str, ...]:
        """Return the names of the tables that are left out because another one has the target."""
        there = (self._left_out.get(name) for name in self.yielding)
        return tuple(str(table) for table in there if table and self._mappings.target_name(table) == target)

    def _mapping(self, table: SourceTable, *, missing_as_null: bool) -> ItemMapping | None:
        try:
            mapping = self._mappings.for_table(table, missing_as_null=missing_as_null)
            self._yield_target(mapping)
        except ConfigError as error:
            if self._mappings.names(table.schema, table.name):
                remedy = "Change the table or the rules; if the table is right by now, start with --reload."
                message = "\n  - ".join(
                    [f"table '{table}' can't be replicated as it is here. {remedy}", *error.problems]
                )
                raise SourceError(message) from error
            self._leave_out(table, error.problems)
            return None
        return self._add(mapping)

    def _yield_target(self, mapping: ItemMapping) -> None:
        """Let a table that is there keep the target that it has.

        Raises:
            ConfigError: `mapping` is of another table, which came later.
        """
        name, target = str(mapping.source), mapping.target_table
        for other in self.sharing(target):
            before = self._found[other].source
            if name in self._found or other == name:
                continue
            if self._is_there(before.schema, before.name):
                if not self._mappings.names(mapping.source.schema, mapping.source.name):
                    self.yielding.add(name)
                raise ConfigError([target_taken(target, other)], self._mappings.where)
            # It was dropped. What the binlog may still have of it, its DROP makes good.
            del self._found[other]

    def _leave_out(self, table: SourceTable, problems: Sequence[str]) -> None:
        if self._left_out.get(str(table)) != table:
            log.warning(
                "table '%s' is left out; the others go on, and its items, if it has any, are left as they are: %s",
                *(table, "; ".join(problem.removeprefix(f"table '{table}': ") for problem in problems)),
            )
        self._left_out[str(table)] = table

    def _add(self, mapping: ItemMapping) -> ItemMapping | None:
        try:
            self._prepare_once(mapping)
        except UnfitTableError as error:
            table = mapping.source
            if self._mappings.names(table.schema, table.name):
                raise
            self._leave_out(table, [str(error)])
            return None
        self._left_out.pop(str(mapping.source), None)
        self.yielding.discard(str(mapping.source))
        self._found[str(mapping.source)] = mapping
        if not mapping.one_item_a_row and str(mapping.source) not in self._warned:
            self._warned.add(str(mapping.source))
            log.warning(
                "table '%s': the key (%s) of its items in '%s' doesn't have all columns of its primary key (%s): two "
                "rows may share an item, which then has the row that changed last, and deleting one of them deletes "
                "the item of both",
                *(mapping.source, ", ".join(mapping.key_types), mapping.target_table),
                ", ".join(mapping.source.primary_key) or "it has none",
            )
        return mapping

    def _prepare_once(self, mapping: ItemMapping) -> None:
        key = (mapping.target_table, tuple(mapping.key_types.items()))
        # The type of a key that isn't there yet isn't known; and no row of such a table becomes an item.
        if key not in self._prepared and not mapping.is_keyless:
            self._prepare(mapping)
            self._prepared.add(key)
