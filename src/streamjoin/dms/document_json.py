"""Read DynamoDB's JSON out of a mapping file: `{"M": {"Name": {"S": "${name}"}}}`."""

from collections.abc import Mapping
from typing import Any, Final

from streamjoin.dms.document import Constant, Document, ListOf, MapOf, Scalar, SetOf
from streamjoin.dms.node import Node, is_text, shown
from streamjoin.dms.rejected import RowRejected
from streamjoin.dms.template import Template

# Source: DynamoDB's limits: a document has up to 32 levels.
_MAX_DEPTH: Final = 32
_TYPES: Final = ("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS")


def read_scalar(node: Node, key: str, kind: str, value: Any) -> Scalar | None:
    """Return what makes a value of type `kind`; a problem of `key` if nothing can."""
    template = _read_template(node, key, value)
    if template is None:
        return None
    scalar = Scalar(kind, template)
    if not template.columns:
        try:
            scalar.build({}, key)
        except RowRejected as error:
            node.refuse(key, f"found {shown(value)}: {error.detail}")
            return None
    return scalar


def _read_template(node: Node, key: str, value: Any) -> Template | None:
    if not is_text(value):
        node.refuse(key, f"found {shown(value)}; allowed: text, with ${{column}} where a column's value goes")
        return None
    try:
        return Template.parse(value)
    except ValueError as error:
        node.refuse(key, f"{error}; write ${{column}}")
        return None


def read_document(node: Node, key: str, value: Any, types: tuple[str, ...] = _TYPES, depth: int = 1) -> Document | None:
    """Return what makes an attribute of the form `value`.

    Args:
        node: What has the key, for messages.
        key: Where the value is in it.
        value: An object with the type as its one key.
        types: Which types are allowed.
        depth: How deep in a document the value is.
    """
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in types:
        found = (
            f"an object with the keys {', '.join(map(shown, value))}" if isinstance(value, Mapping) else shown(value)
        )
        node.refuse(key, f"found {found}; allowed: an object with one key, the type: {', '.join(types)}")
        return None
    ((kind, inner),) = value.items()
    if depth > _MAX_DEPTH:
        node.refuse(key, f"is deeper than {_MAX_DEPTH} levels, which DynamoDB doesn't take")
        return None
    at = f"{key}.{kind}"
    if kind in {"M", "L"}:
        return (_read_map if kind == "M" else _read_list)(node, at, inner, depth)
    return _read_set(node, at, kind, inner) if kind in {"SS", "NS", "BS"} else _read_value(node, at, kind, inner)


def _read_value(node: Node, at: str, kind: str, inner: Any) -> Document | None:
    if kind == "NULL" or (kind == "BOOL" and isinstance(inner, bool)):
        if inner is not True and kind == "NULL":
            node.refuse(at, f"found {shown(inner)}; allowed: true")
        return Constant({kind: bool(inner)})
    return read_scalar(node, at, kind, inner)


def _read_map(node: Node, at: str, inner: Any, depth: int) -> Document | None:
    if not isinstance(inner, Mapping) or not all(map(is_text, inner)):
        node.refuse(at, f"found {shown(inner)}; allowed: an object of members")
        return None
    members = [(key, read_document(node, f"{at}.{key}", value, depth=depth + 1)) for key, value in inner.items()]
    return MapOf(tuple((key, member) for key, member in members if member is not None))


def _read_list(node: Node, at: str, inner: Any, depth: int) -> Document | None:
    if not isinstance(inner, list):
        node.refuse(at, f"found {shown(inner)}; allowed: a list of members")
        return None
    members = [read_document(node, f"{at}[{index}]", value, depth=depth + 1) for index, value in enumerate(inner)]
    return ListOf(tuple(member for member in members if member is not None))


def _read_set(node: Node, at: str, kind: str, inner: Any) -> Document | None:
    if not isinstance(inner, list) or not inner:
        node.refuse(at, f"found {shown(inner)}; allowed: a list of texts, one for each member")
        return None
    members = [read_scalar(node, f"{at}[{index}]", kind[0], value) for index, value in enumerate(inner)]
    return SetOf(kind, tuple(member for member in members if member is not None))
