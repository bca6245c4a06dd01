"""Transformation rules: other names for tables and attributes, other types, columns left out.

Source: AWS DMS user guide, "Transformation rules and actions". If several rules fit an object, the one of the lowest
rule-id is applied.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streamjoin.dms.node import Node
from streamjoin.dms.patterns import NamePattern
from streamjoin.dms.selection import Locator, read_pattern

_AFFIXES: Final = tuple(f"{verb}-{part}" for verb in ("add", "remove", "replace") for part in ("prefix", "suffix"))
_RENAMING: Final = ("rename", "convert-lowercase", "convert-uppercase", *_AFFIXES)
_COLUMN_ACTIONS: Final = (*_RENAMING, "remove-column", "include-column", "change-data-type")
_WITHOUT_VALUE: Final = (*_RENAMING[1:3], *_COLUMN_ACTIONS[-3:])
_MASKING: Final = "masking columns; leave the column out with remove-column or exclude-columns"
_REFUSED_ACTIONS: Final = {
    "add-column": "columns computed with SQLite expressions; use an attribute mapping, value with ${column}",
    "add-before-image-columns": "DMS documents it for Kinesis and Kafka targets",
    "define-primary-key": "name the key in an object-mapping rule: partition-key-name and sort-key-name",
    "data-masking-digits-mask": _MASKING,
    "data-masking-digits-randomize": _MASKING,
    "data-masking-hash-mask": _MASKING,
}
_TARGETS: Final = ("table", "column")
# What a DynamoDB table doesn't have, so that no rule for its name changes anything.
_ELSEWHERE: Final = ("schema", "table-tablespace", "index-tablespace")
_REFUSED_KEYS: Final = {
    "expression": "SQLite expressions; use an attribute mapping, value with ${column}",
    "primary-key-def": "name the key in an object-mapping rule",
    "before-image-def": "DMS documents it for Kinesis and Kafka targets",
}
_INTEGERS: Final = {
    **{f"int{size}": (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1) for size in (1, 2, 4, 8)},
    **{f"uint{size}": (0, 2 ** (8 * size) - 1) for size in (1, 2, 4, 8)},
}
_DATA_TYPES: Final = {"string": "S", "wstring": "S", "boolean": "BOOL", "numeric": "N", **dict.fromkeys(_INTEGERS, "N")}


@dataclass(frozen=True)
class DataType:
    """What `change-data-type` makes of a column: DynamoDB's type, and the bounds of an integer type."""

    type: str
    bounds: tuple[int, int] | None


@dataclass(frozen=True)
class TransformationRule:
    """A transformation rule; `column` is None if it is for tables."""

    rule_id: int
    action: str
    locator: Locator
    column: NamePattern | None
    value: str
    old_value: str
    data_type: DataType | None

    def renamed(self, name: str) -> str:
        """Return what a name becomes."""
        verb, _, part = self.action.partition("-")
        if verb == "rename":
            return self.value
        if verb == "convert":
            return name.lower() if part == "lowercase" else name.upper()
        if verb == "add":
            old, new = "", self.value
        else:
            old, new = (self.old_value, self.value) if verb == "replace" else (self.value, "")
        if part == "prefix":
            return new + name.removeprefix(old) if name.startswith(old) else name
        return name.removesuffix(old) + new if name.endswith(old) else name


def first(rules: Iterable[TransformationRule]) -> TransformationRule | None:
    """Return the rule that is applied if all of these fit."""
    return min(rules, key=lambda rule: rule.rule_id, default=None)


def read_transformation(rule: Node, rule_id: int) -> TransformationRule | None:
    """Return a transformation rule, None if it has problems or changes nothing here."""
    problems_before = len(rule.problems)
    target = rule.text("rule-target", required=True, words=(*_TARGETS, *_ELSEWHERE))
    if target in _ELSEWHERE:
        _pass_over(rule, target)
        return None
    actions = _RENAMING if target == "table" else _COLUMN_ACTIONS
    action = rule.text("rule-action", required=True, words=actions, unsupported=_REFUSED_ACTIONS)
    if target is None or action is None:
        # What the other keys must be follows from these two: one reason is enough.
        return None
    node = rule.node("object-locator", required=True)
    schema = table = column = None
    if node is not None:
        schema, table = (read_pattern(node, key, exact=False) for key in ("schema-name", "table-name"))
        column = node.text("column-name", required=True) if target == "column" else None
        node.end({"data-type": "choosing columns by their type; name them with column-name"})
    value = rule.text("value", required=action not in _WITHOUT_VALUE) or ""
    if action in _WITHOUT_VALUE and value:
        rule.refuse("value", f"is not for {action}; leave it out")
    old_value = rule.text("old-value", required=action.startswith("replace-")) or ""
    if old_value and not action.startswith("replace-"):
        rule.refuse("old-value", f"is not for {action}; leave it out")
    data_type = _read_data_type(rule, action)
    rule.end(_REFUSED_KEYS)
    if schema is None or table is None or len(rule.problems) > problems_before:
        return None
    pattern = None if column is None else NamePattern.of_columns(column)
    return TransformationRule(rule_id, action, Locator(schema, table), pattern, value, old_value, data_type)


def _pass_over(rule: Node, target: str) -> None:
    rule.text("rule-action", required=True, words=_RENAMING)
    for key in ("object-locator", "value", "old-value"):
        rule.value(key)
    rule.end(_REFUSED_KEYS)
    rule.note("rule-target", f"a DynamoDB table has no {target}")


def _read_data_type(rule: Node, action: str) -> DataType | None:
    node = rule.node("data-type", required=action == "change-data-type")
    if node is None:
        return None
    if action != "change-data-type":
        rule.refuse("data-type", f"is not for {action}; leave it out")
        return None
    name = node.text("type", required=True, words=_DATA_TYPES)
    for key in ("length", "precision", "scale"):
        if node.value(key) not in (None, ""):
            node.refuse(key, "not supported: DynamoDB's types have none, and nothing is cut or rounded. Leave it out")
    node.end()
    return None if name is None else DataType(_DATA_TYPES[name], _INTEGERS.get(name))
