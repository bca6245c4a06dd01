"""Selection rules: which tables are replicated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamjoin.dms.node import Node
from streamjoin.dms.patterns import NamePattern
from streamjoin.dms.source_table import table_name

_ACTIONS: Final = ("include", "exclude", "explicit")
_MAX_LOAD_ORDER: Final = 2_147_483_647
# What the console and its API write beside a rule.
_TUNING: Final = ("parallel-load", "isAutoSegmentationChecked")
_VIEWS: Final = "a view has no changes in the binlog; select the tables that it is made of"


@dataclass(frozen=True)
class Locator:
    """Which tables a rule means."""

    schema: NamePattern
    table: NamePattern

    def matches(self, schema: str, table: str, *, ignore_case: bool = False) -> bool:
        """Tell whether a table is meant."""
        return self.schema.matches(schema, ignore_case=ignore_case) and self.table.matches(
            table, ignore_case=ignore_case
        )

    @property
    def is_wild(self) -> bool:
        """Whether it can be meant for more than one table."""
        return self.schema.is_wild or self.table.is_wild

    @property
    def place(self) -> tuple[str, str]:
        """The words for the schema and the table."""
        return self.schema.text, self.table.text

    def __str__(self) -> str:
        return table_name(*self.place)


@dataclass(frozen=True)
class SelectionRule:
    """A selection rule; of a higher `load_order` means loaded earlier."""

    rule_id: int
    action: str
    locator: Locator
    load_order: int


def read_pattern(node: Node, key: str, *, exact: bool) -> NamePattern | None:
    """Return the pattern of a schema or table name."""
    text = node.text(key, required=True)
    if text is None:
        return None
    try:
        return NamePattern.exact(text) if exact else NamePattern.parse(text)
    except ValueError as error:
        node.refuse(key, str(error))
        return None


def read_locator(rule: Node, *, exact: bool) -> Locator | None:
    """Return which tables a rule means; `exact` if it may mean only one."""
    node = rule.node("object-locator", required=True)
    if node is None:
        return None
    schema, table = read_pattern(node, "schema-name", exact=exact), read_pattern(node, "table-name", exact=exact)
    node.text("table-type", words=("table",), unsupported=dict.fromkeys(("view", "all"), _VIEWS))
    node.end()
    return Locator(schema, table) if schema and table else None


def read_selection(rule: Node, rule_id: int) -> SelectionRule | None:
    """Return a selection rule, None if it has problems."""
    action = rule.text("rule-action", required=True, words=_ACTIONS)
    locator = read_locator(rule, exact=action == "explicit")
    order = rule.number("load-order", maximum=_MAX_LOAD_ORDER)
    filters = "source filters; all rows of a selected table are replicated. Leave it out"
    rule.end({"filters": filters}, tuning=_TUNING)
    return SelectionRule(rule_id, action, locator, order or 0) if action and locator else None


def contradictions(rules: Sequence[SelectionRule]) -> list[str]:
    """Return which rules leave it open what is meant, a line each."""
    if not any(rule.action != "exclude" for rule in rules):
        return ["no selection rule includes a table; add one with rule-action include or explicit"]
    return [
        f"rule {explicit.rule_id} selects '{explicit.locator}' explicitly, and rule {exclude.rule_id} excludes it; "
        "DMS doesn't say which of them wins. Take one of them out"
        for explicit in rules
        for exclude in rules
        if explicit.action == "explicit"
        and exclude.action == "exclude"
        and exclude.locator.matches(explicit.locator.schema.text, explicit.locator.table.text)
    ]
