"""Read the rules of a mapping file; every problem is gathered."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from streamjoin.dms.node import Node, shown
from streamjoin.dms.object_mapping import ObjectMappingRule, read_object_mapping
from streamjoin.dms.selection import SelectionRule, read_locator, read_selection
from streamjoin.dms.transformation import TransformationRule, read_transformation
from streamjoin.errors import ConfigError

Rule: TypeAlias = SelectionRule | ObjectMappingRule | TransformationRule

# Source: AWS DMS user guide, "Specifying table selection and transformations rules using JSON".
_MAX_FILE_BYTES: Final = 2 * 1024 * 1024
_MAX_RULE_ID: Final = 10**18
_REFUSED_RULE_TYPES: Final = {"post-processing": "DMS documents it for S3 targets"}
_LOB_MODES: Final = {
    "limited": "values are never cut; leave it out",
    "none": "columns are left out by name: exclude-columns",
}


def read_rules(text: str, where: str) -> tuple[list[Rule], list[str], list[str]]:
    """Return the rules of a file's text, what is wrong with it, and what changes nothing here; a line each.

    Raises:
        ConfigError: It is no JSON, or too large.
    """
    problems: list[str] = []
    notes: list[str] = []
    rules = [rule for rule in _rules(_json(text.removeprefix("\ufeff"), where), problems, notes) if rule is not None]
    return rules, problems, notes


def _read_table_settings(rule: Node, rule_id: int) -> None:
    """Take what only says how DMS loads a table."""
    del rule_id
    read_locator(rule, exact=False)
    lobs = rule.node("lob-settings")
    if lobs is not None:
        lobs.text("mode", required=True, words=("unlimited",), unsupported=_LOB_MODES)
        lobs.end(tuning=("bulk-max-size",))
        rule.note("lob-settings", "only tunes DMS")
    rule.end(tuning=("parallel-load",))


def _rule_name(node: Node) -> str | None:
    value = node.value("rule-name")
    # The console numbers them.
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else node.text("rule-name", required=True)


_READERS: Final[dict[str, Callable[[Node, int], Rule | None]]] = {
    "selection": read_selection,
    "object-mapping": read_object_mapping,
    "transformation": read_transformation,
    "table-settings": _read_table_settings,
}


def _json(text: str, where: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            found = f"the key {shown(twice[0])} is in one object twice"
            raise ValueError(found)
        return dict(pairs)

    def number(word: str) -> Any:
        found = f"{word} is no JSON"
        raise ValueError(found)

    size = len(text.encode(errors="replace"))
    if size > _MAX_FILE_BYTES:
        raise ConfigError([f"the file has {size} bytes; DMS takes up to {_MAX_FILE_BYTES}"], where)
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=number)
    except RecursionError as error:
        raise ConfigError(["the file is nested too deeply to be read"], where) from error
    except ValueError as error:
        raise ConfigError([f"the file can't be read as JSON: {error}"], where) from error


def _rules(values: Any, problems: list[str], notes: list[str]) -> Iterator[Rule | None]:
    if not isinstance(values, dict):
        problems.append(f"the whole file: found {shown(values)}; allowed: an object with the key rules")
        return
    whole = Node(values, "the file: ", problems, notes)
    ids: set[int] = set()
    names: set[str] = set()
    nodes = whole.nodes("rules")
    whole.end()
    if not nodes and not problems:
        problems.append("rules: there are none; add a selection rule")
    for index, node in enumerate(nodes):
        node.path = f"rules[{index}]"
        rule_id = node.number("rule-id", maximum=_MAX_RULE_ID, required=True) or 0
        node.path = f"rules[{index}] (rule-id {rule_id}): " if rule_id else f"rules[{index}]: "
        name = _rule_name(node)
        if rule_id in ids:
            node.refuse("rule-id", "another rule has it; each has a number of its own")
        if name in names:
            node.refuse("rule-name", f"'{name}': another rule has it; each has a name of its own")
        ids |= {rule_id} - {0}
        names |= {name} if name else set()
        kind = node.text("rule-type", required=True, words=_READERS, unsupported=_REFUSED_RULE_TYPES)
        if kind is not None:
            yield _READERS[kind](node, rule_id)
