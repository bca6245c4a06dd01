"""A file of table mappings as AWS DMS takes it for a DynamoDB target."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from streamjoin.dms.item_mapping import ItemMapping
from streamjoin.dms.mapping_file import read_rules
from streamjoin.dms.object_mapping import ObjectMappingRule, table_name_problem
from streamjoin.dms.selection import SelectionRule, contradictions
from streamjoin.dms.source_table import SourceTable
from streamjoin.dms.table_attributes import TableAttributes
from streamjoin.dms.transformation import TransformationRule, first
from streamjoin.errors import ConfigError

_ONE_TARGET: Final = "DMS takes one table for each target table; a job for each table can share it"


def target_taken(target: str, by: str) -> str:
    """Return what is wrong with a table that came when the table `by` already had its target."""
    return f"it would become '{target}', as '{by}' already does; {_ONE_TARGET}"


class MappedTables(NamedTuple):
    """What the rules make of tables.

    Args:
        mappings: Of those that can be mapped.
        left_out: What is wrong with the others, a line each, by name (`schema.table`).
        yielding: Those of them that came when another one already had their target.
    """

    mappings: tuple[ItemMapping, ...]
    left_out: dict[str, list[str]]
    yielding: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TableMappings:
    """The rules of a file.

    Args:
        selections: Which tables.
        object_mappings: How their rows become items, at most one for a table.
        transformations: Other names and types.
        where: The file, for messages.
        ignore_case: Whether names of schemas and tables are one, however they are spelled.
        notes: What the file says that changes nothing here, a line each.
    """

    selections: tuple[SelectionRule, ...]
    object_mappings: tuple[ObjectMappingRule, ...]
    transformations: tuple[TransformationRule, ...]
    where: str
    ignore_case: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> "TableMappings":
        """Read a file's text.

        Args:
            text: The JSON.
            where: The file, for messages.

        Raises:
            ConfigError: It has problems; lists all of them.
        """
        rules, problems, notes = read_rules(text, where)
        mappings = cls(
            tuple(rule for rule in rules if isinstance(rule, SelectionRule)),
            tuple(rule for rule in rules if isinstance(rule, ObjectMappingRule)),
            tuple(rule for rule in rules if isinstance(rule, TransformationRule)),
            where,
            notes=tuple(notes),
        )
        if not problems:
            problems += [*contradictions(mappings.selections), *mappings._conflicts()]
        if problems:
            raise ConfigError(problems, where)
        return mappings

    def ignoring_case(self) -> "TableMappings":
        """Return these rules for a server whose tables have names without case (`lower_case_table_names` of 1 or 2)."""
        return replace(self, ignore_case=True)

    def selects(self, schema: str, table: str) -> bool:
        """Tell whether a table is replicated: a rule includes it, and none excludes it."""
        actions = {rule.action for rule in self._selecting(schema, table)}
        return bool(actions) and "exclude" not in actions

    def names(self, schema: str, table: str) -> bool:
        """Tell whether a rule names a selected table by itself, and not by a wildcard alone."""
        rules: list[SelectionRule | ObjectMappingRule] = [*self.selections, *self.object_mappings]
        return any(
            not rule.locator.is_wild and rule.locator.matches(schema, table, ignore_case=self.ignore_case)
            for rule in rules
        )

    def unseen(self, tables: Iterable[tuple[str, str]]) -> tuple[tuple[str | None, str | None], ...]:
        """Return schema and name of the rules that select none of a server's tables, None where it isn't one name."""
        there = list(tables)
        locators = [rule.locator for rule in self.selections if rule.action != "exclude"]
        # Of one that is there in other case, privileges are not what is missing.
        return tuple(
            (each.schema.sole_name, each.table.sole_name)
            for each in locators
            if not any(each.matches(*table, ignore_case=True) for table in there)
        )

    def unmatched(self, tables: Iterable[tuple[str, str]]) -> list[str]:
        """Return which selection rules mean none of the tables (schema and name) of a server, a line each."""
        there, problems = list(tables), []
        for rule in self.selections:
            meant = [table for table in there if rule.locator.matches(*table, ignore_case=self.ignore_case)]
            if meant:
                if rule.action != "exclude" and not any(self.selects(*table) for table in meant):
                    problems.append(
                        f"rule {rule.rule_id} selects no table: all that '{rule.locator}' means are excluded"
                    )
                continue
            near = [".".join(table) for table in there if rule.locator.matches(*table, ignore_case=True)]
            if near:
                found = f"it has '{rule.locator}', and the server '{near[0]}'"
                problems.append(f"rule {rule.rule_id} means no table, because of case: {found}")
            elif rule.action != "exclude":
                problems.append(
                    f"rule {rule.rule_id} selects no table: there is none for '{rule.locator}' that the user may see"
                )
        return problems

    def load_order(self, schema: str, table: str) -> int:
        """Return the priority of a table's load: those of a higher one come first; 0 if no rule says so."""
        return max((rule.load_order for rule in self._selecting(schema, table)), default=0)

    def for_table(self, table: SourceTable, *, missing_as_null: bool = False) -> ItemMapping:
        """Return how the rows of a table become items.

        Args:
            table: The table.
            missing_as_null: Whether a column that a rule names and the table doesn't have counts as NULL: for tables as
                they were, in a binlog that is older than the rules.

        Raises:
            ConfigError: The rules don't fit the table; lists every problem.
        """
        mapping, problems = self._for_table(table, missing_as_null)
        if mapping is None or problems:
            raise ConfigError(problems, self.where)
        return mapping

    def target_name(self, table: SourceTable) -> str:
        """Return where the rows of a table go, if it fits the rules."""
        rule = next((rule for rule in self.object_mappings if self._fits(rule, table)), None)
        renaming = first(rule for rule in self.transformations if not rule.column and self._fits(rule, table))
        return rule.target_table if rule else renaming.renamed(table.name) if renaming else table.name

    def for_tables(
        self, tables: Iterable[SourceTable], *, none_will_do: bool = False, yielding: Collection[str] = ()
    ) -> MappedTables:
        """Return how the rows of all selected tables become items, and which of those that no rule names can't be.

        Args:
            tables: The tables.
            none_will_do: Whether none of them need to fit: a job that ran before may have lost its last one.
            yielding: Names (`schema.table`) of those that came when another one already had their target.

        Raises:
            ConfigError: The rules don't fit a table that one names, or any table; or two tables would go into one.
                Lists every problem of every table.
        """
        found = [(table, *self._for_table(table, False)) for table in tables]
        mappings = tuple(mapping for _, mapping, _ in found if mapping)
        problems, left_out = list[str](), dict[str, list[str]]()
        for table, _, lines in found:
            if lines and (mappings or none_will_do) and not self.names(table.schema, table.name):
                left_out[str(table)] = lines
            else:
                problems += lines
        came_late = set[str]()
        for target, count in Counter(mapping.target_table for mapping in mappings).items():
            if count == 1:
                continue
            same = [mapping.source for mapping in mappings if mapping.target_table == target]
            late = [each for each in same if str(each) in yielding and not self.names(each.schema, each.name)]
            late = late if len(late) < len(same) else late[1:]
            if len(same) - len(late) > 1:
                sources = ", ".join(f"'{each}'" for each in same)
                problems.append(f"tables {sources}: all would become '{target}'; {_ONE_TARGET}")
            first = next(each for each in same if each not in late)
            left_out |= {str(each): [target_taken(target, str(first))] for each in late}
            came_late.update(map(str, late))
        if problems:
            raise ConfigError(problems, self.where)
        return MappedTables(
            tuple(each for each in mappings if str(each.source) not in left_out), left_out, frozenset(came_late)
        )

    def _for_table(self, table: SourceTable, missing_as_null: bool) -> tuple[ItemMapping | None, list[str]]:
        if table.problems:
            return None, [f"table '{table}': {problem}" for problem in table.problems]
        rules = [rule for rule in self.object_mappings if self._fits(rule, table)]
        rule = rules[0] if rules else None
        fitting = [rule for rule in self.transformations if self._fits(rule, table)]
        made = TableAttributes(table, rule, [rule for rule in fitting if rule.column], missing_as_null)
        problems = list(made.problems)
        if len(rules) > 1:
            numbers = ", ".join(str(rule.rule_id) for rule in rules)
            problems.append(f"object-mapping rules {numbers} are all for it; allowed: one")
        target = self.target_name(table)
        if not rule:
            if problem := table_name_problem(target):
                problems.append(f"{problem}. Name the target with an object-mapping rule: target-table-name")
            taken = [other.rule_id for other in self.object_mappings if other.target_table == target]
            problems += [f"it would become '{target}', which is the target of rule {number}" for number in taken]
        condition = rule.condition if rule and rule.condition and rule.condition.applies else None
        mapping = ItemMapping(
            table, target, made.partition_key, made.sort_key, made.attributes, frozenset(made.absent), condition
        )
        return None if problems else mapping, [f"table '{table}': {problem}" for problem in problems]

    def _fits(self, rule: ObjectMappingRule | TransformationRule, table: SourceTable) -> bool:
        return rule.locator.matches(table.schema, table.name, ignore_case=self.ignore_case)

    def _selecting(self, schema: str, table: str) -> list[SelectionRule]:
        return [rule for rule in self.selections if rule.locator.matches(schema, table, ignore_case=self.ignore_case)]

    def _conflicts(self) -> list[str]:
        """Return what several rules say of one table, a line each."""
        problems = []
        for rule in self.object_mappings:
            schema, table = rule.locator.schema.text, rule.locator.table.text
            if not self.ignoring_case().selects(schema, table):
                problems.append(f"rule {rule.rule_id} maps the table '{rule.locator}', which no selection rule selects")
            for other in self.object_mappings:
                if other.rule_id < rule.rule_id and other.locator.place == rule.locator.place:
                    problems.append(f"rules {other.rule_id} and {rule.rule_id} both map the table '{rule.locator}'")
                elif other.rule_id < rule.rule_id and other.target_table == rule.target_table:
                    numbers = f"{other.rule_id} and {rule.rule_id}"
                    problems.append(f"rules {numbers} both have the target '{rule.target_table}'; {_ONE_TARGET}")
            problems += [
                f"rules {rule.rule_id} and {naming.rule_id} name the target of the table '{rule.locator}'; take the "
                "transformation out, target-table-name says it"
                for naming in self.transformations
                if not naming.column and not naming.locator.is_wild and naming.locator.matches(schema, table)
            ]
        return problems
