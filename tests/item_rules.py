"""What DynamoDB checks of requests, for fake tables."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Request = dict[str, Any]

MAX_BATCH_BYTES = 16 * 1024 * 1024
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_ITEM_BYTES = 400 * 1024


class Refused(AssertionError):
    """The service would have refused the request: a bug, so that no test may take it for a fault."""


def holds(expression: str, item: Request, names: Mapping[str, str], given: Mapping[str, Any]) -> bool:
    """Tell whether a condition holds, of the few forms that sinks use: comparisons, with OR, AND and parentheses."""
    for word, combined in ((" OR ", any), (" AND ", all)):
        parts = _split(expression, word)
        if len(parts) > 1:
            return combined([holds(part, item, names, given) for part in parts])
    if expression.startswith("("):
        return holds(expression[1:-1], item, names, given)
    return _term_holds(expression, item, names, given)


def _split(expression: str, word: str) -> list[str]:
    """Return the parts between `word`, but for where it stands in parentheses."""
    parts = [""]
    for piece in expression.split(word):
        parts[-1] += word + piece if parts[-1] else piece
        if parts[-1].count("(") == parts[-1].count(")"):
            parts.append("")
    return parts[:-1]


def require_used(request: Mapping[str, Any]) -> None:
    """Refuse names and values that no expression uses, and lists of none, as the service does."""
    text = f"{request.get('ConditionExpression', '')} {request.get('UpdateExpression', '')}"
    used = set(re.findall(r"[#:]\w+", text))
    found = [request[key] for key in ("ExpressionAttributeNames", "ExpressionAttributeValues") if key in request]
    require(all(found), "ExpressionAttributeNames or -Values must not be empty")
    require({name for each in found for name in each} == used, f"not all of {found} is in '{text}', or more is")


def _term_holds(term: str, item: Request, names: Mapping[str, str], given: Mapping[str, Any]) -> bool:
    if term.startswith("attribute_not_exists("):
        name = term.removeprefix("attribute_not_exists(").removesuffix(")")
        return names.get(name, name) not in item
    if term.startswith("attribute_exists("):
        return not _term_holds(term.replace("_exists", "_not_exists"), item, names, given)
    name, operator, placeholder = term.split(" ")
    there, expected = item.get(names.get(name, name)), given[placeholder]
    if there is None or set(there) != set(expected):
        return False
    ((kind, left),), ((_, right),) = there.items(), expected.items()
    if kind == "N":
        left, right = Decimal(left), Decimal(right)
    return bool({"=": left == right, "<": left < right}[operator])


def stored_bytes(item: Any) -> int:
    """Return an item's size as the service counts it, nearly: names and values, without JSON's signs."""
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        total += len(name.encode())
        total += len(content.encode() if isinstance(content, str) else content) if kind in "SNB" else 1
    return total


def wire_bytes(request: Any) -> int:
    """Return a request's size as the SDK sends it."""
    return len(json.dumps(request, default=lambda content: b64encode(content).decode()))


def require(condition: bool, text: str) -> None:
    if not condition:
        raise Refused(text)
