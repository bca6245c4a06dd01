"""Condition expressions of object mapping: what an item that is there must fulfil for the row to be written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streamjoin.dms.document_json import read_document
from streamjoin.dms.node import Node, is_text, shown

# An expression has no text of its own in which these could stand.
_PLACEHOLDER: Final = re.compile(r"[#:]\w+")


@dataclass(frozen=True)
class Condition:
    """A condition in DynamoDB's own words.

    Args:
        expression: `ConditionExpression`.
        values: `ExpressionAttributeValues`.
        names: `ExpressionAttributeNames`.
        during_full_load: Whether rows of a full load are written under it.
        during_cdc: Whether changes are.
    """

    expression: str
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    during_full_load: bool = True
    during_cdc: bool = False

    @property
    def applies(self) -> bool:
        """Whether anything is written under it."""
        return self.during_full_load or self.during_cdc


def read_condition(parameters: Node) -> Condition | None:
    """Return the condition of `mapping-parameters`, None if there is none or it has problems."""
    node = parameters.node("condition-expression")
    if node is None:
        return None
    expression = node.text("expression", required=True)
    values: dict[str, Mapping[str, Any]] = {}
    names: dict[str, str] = {}
    for entry in node.nodes("expression-attribute-values"):
        name = _placeholder(entry, ":", values)
        document = read_document(entry, "value", entry.value("value"))
        if document is not None and any(template.columns for _, template in document.templates()):
            entry.refuse("value", "has ${column}; allowed: a constant, as no row is meant here")
        elif name and document is not None:
            values[name] = document.build({}, name) or {}
        entry.end()
    for entry in node.nodes("expression-attribute-names"):
        name, stands_for = _placeholder(entry, "#", names), entry.text("value", required=True)
        if name and stands_for:
            names[name] = stands_for
        entry.end()
    during_cdc = node.boolean("apply-during-cdc", default=False)
    during_full_load = node.boolean("apply-during-full-load", default=True)
    node.end()
    if expression:
        _check_placeholders(node, expression, {*values, *names})
    return Condition(expression, values, names, during_full_load, during_cdc) if expression else None


def _check_placeholders(node: Node, expression: str, known: set[str]) -> None:
    """Refuse what DynamoDB would refuse with each row: names that stand for nothing, or aren't used."""
    used = set(_PLACEHOLDER.findall(expression))
    for name in sorted(used - known):
        list_key = "expression-attribute-names" if name.startswith("#") else "expression-attribute-values"
        node.refuse("expression", f"has '{name}', which is not in {list_key}")
    for name in sorted(known - used):
        node.refuse("expression", f"doesn't have '{name}', and DynamoDB refuses names and values that aren't used")


def _placeholder(entry: Node, mark: str, known: Mapping[str, Any]) -> str | None:
    name = entry.value("name")
    if not is_text(name) or not name.startswith(mark) or len(name) < 2:
        entry.refuse("name", f"found {shown(name)}; allowed: a name that begins with '{mark}', as in the expression")
        return None
    if name in known:
        entry.refuse("name", f"'{name}' is there twice")
    return str(name)
