"""The documents, taken apart as their tests need them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION, *_parts = re.split(
    r"^# job: (\w+)$", (ROOT / "docs" / "configuration.md").read_text(), flags=re.MULTILINE
)
OTHER_JOBS = dict(zip(_parts[::2], _parts[1::2], strict=True))

Node = dict[str, Any]


def code_blocks(text: str, language: str = r"[a-z]*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def table_rows(text: str, columns: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == columns:
            yield cells


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def resolved(node: Node, definitions: Node) -> Node:
    return {**definitions[node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node


def keys_of(node: Node, definitions: Node, path: str = "") -> dict[str, tuple[Node, bool]]:
    """Return every key of the JSON Schema by its path: its node, and whether it is required."""
    node = resolved(node, definitions)
    found: dict[str, tuple[Node, bool]] = {}
    for form in node.get("anyOf", []):
        found |= keys_of(form, definitions, path)
    if isinstance(node.get("items"), dict):
        found |= keys_of(node["items"], definitions, f"{path}[]")
    for name, inner in node.get("properties", {}).items():
        key = f"{path}.{name}" if path else name
        found[key] = (resolved(inner, definitions), name in node.get("required", []))
        found |= keys_of(inner, definitions, key)
    return found
