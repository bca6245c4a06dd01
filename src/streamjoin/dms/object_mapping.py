"""Object-mapping rules: which DynamoDB table a table becomes, and how its rows become items.

Source: AWS DMS user guide, "Using object mapping to migrate data to DynamoDB".
"""

import re
from dataclasses import dataclass
from typing import Final

from streamjoin.dms.condition import Condition, read_condition
from streamjoin.dms.document import Document, Scalar
from streamjoin.dms.document_json import read_document, read_scalar
from streamjoin.dms.node import Node
from streamjoin.dms.selection import Locator, read_locator

# What an item's writer adds: its version and, in a table of several jobs, its job; and how long these may be.
RESERVED_ATTRIBUTES: Final = {"_binlog": {"N": "9" * 38}, "_binlog_job": {"S": "x" * 255}}
DOCUMENT_ATTRIBUTE: Final = "_doc"

_ACTIONS: Final = ("map-record-to-record", "map-record-to-document")
_SCALARS: Final = {"string": "S", "number": "N", "binary": "B"}
_DOCUMENTS: Final = {"dynamodb-map": ("M",), "dynamodb-list": ("L",), "dynamodb-set": ("SS", "NS", "BS")}
_TABLE_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_MAX_KEY_NAME_BYTES: Final = 255
_OTHER_TARGETS: Final = "it belongs to a Kinesis or Kafka target"
_KINESIS_RULE: Final = {"kafka-target-topic": _OTHER_TARGETS}
_KINESIS_PARAMETERS: Final = dict.fromkeys(("partition-key", "partition-key-type"), _OTHER_TARGETS)


@dataclass(frozen=True)
class ObjectMappingRule:
    """An object-mapping rule.

    Args:
        rule_id: Its number in the file.
        locator: The one table that it is for.
        into_document: Whether columns go into the map `_doc`; else each is an attribute.
        target_table: The DynamoDB table.
        partition_key: Attribute; None if the table's primary key is meant.
        sort_key: Attribute.
        exclude_columns: Columns of which no attribute is made by themselves.
        attributes: What the attribute mappings make, by name.
        condition: Under which rows are written.
    """

    rule_id: int
    locator: Locator
    into_document: bool
    target_table: str
    partition_key: str | None
    sort_key: str | None
    exclude_columns: tuple[str, ...]
    attributes: dict[str, Document]
    condition: Condition | None


def table_name_problem(name: str) -> str | None:
    """Return why DynamoDB has no table of this name, or None."""
    if _TABLE_NAME.fullmatch(name):
        return None
    return f"'{name}' can't be a DynamoDB table; allowed: 3 to 255 of the characters a-z, A-Z, 0-9, '_', '-', '.'"


def read_object_mapping(rule: Node, rule_id: int) -> ObjectMappingRule | None:
    """Return an object-mapping rule, None if it can't be told what it is for."""
    action = rule.text("rule-action", required=True, words=_ACTIONS)
    locator = read_locator(rule, exact=True)
    # In no page of DMS, but in files that people write, as every other rule that names a target has it.
    if rule.text("rule-target", words=("table",)):
        rule.note("rule-target", "an object-mapping rule is for a table anyway")
    target = rule.text("target-table-name", required=True)
    if target and (problem := table_name_problem(target)):
        rule.refuse("target-table-name", problem)
    into_document = action == "map-record-to-document"
    parameters = rule.node("mapping-parameters") or Node({}, rule.at("mapping-parameters"), rule.problems, [])
    partition_key, sort_key = _read_keys(parameters)
    exclude = parameters.texts("exclude-columns")
    attributes = _read_attributes(parameters, into_document)
    condition = read_condition(parameters)
    parameters.end(_KINESIS_PARAMETERS)
    rule.end({"filters": "an object-mapping rule has none", **_KINESIS_RULE})
    for key, name in (("partition-key-name", partition_key), ("sort-key-name", sort_key)):
        if name in attributes and not isinstance(attributes[name], Scalar):
            parameters.refuse(key, f"'{name}' is made a document; a key is a string, a number or binary")
    if not locator or not target:
        return None
    return ObjectMappingRule(
        rule_id, locator, into_document, target, partition_key, sort_key, exclude, attributes, condition
    )


def _read_keys(parameters: Node) -> tuple[str | None, str | None]:
    keys = ("partition-key-name", "sort-key-name")
    partition_key, sort_key = (parameters.text(key) or None for key in keys)
    if sort_key and not partition_key:
        parameters.refuse("sort-key-name", "needs partition-key-name beside it")
    if sort_key and sort_key == partition_key:
        parameters.refuse("sort-key-name", f"'{sort_key}' is the partition key already")
    for key, name in zip(keys, (partition_key, sort_key), strict=True):
        if name and len(name.encode()) > _MAX_KEY_NAME_BYTES:
            parameters.refuse(key, f"has {len(name.encode())} bytes; allowed: up to {_MAX_KEY_NAME_BYTES}")
        if name in RESERVED_ATTRIBUTES:
            parameters.refuse(key, _reserved(name))
    return partition_key, sort_key


def _read_attributes(parameters: Node, into_document: bool) -> dict[str, Document]:
    attributes: dict[str, Document] = {}
    for mapping in parameters.nodes("attribute-mappings"):
        name = mapping.text("target-attribute-name", required=True)
        document = _read_attribute(mapping)
        mapping.end()
        if name is None:
            continue
        if name in attributes:
            mapping.refuse("target-attribute-name", f"'{name}' is mapped twice")
        if name in RESERVED_ATTRIBUTES:
            mapping.refuse("target-attribute-name", _reserved(name))
        if into_document and name == DOCUMENT_ATTRIBUTE:
            mapping.refuse("target-attribute-name", f"'{name}' is what map-record-to-document makes of the columns")
        if document is not None:
            attributes[name] = document
    return attributes


def _read_attribute(mapping: Node) -> Document | None:
    kind = mapping.text("attribute-type", required=True, words=("scalar", "document"))
    words = _DOCUMENTS if kind == "document" else _SCALARS if kind == "scalar" else {**_SCALARS, **_DOCUMENTS}
    unsupported = {"json": _OTHER_TARGETS}
    sub_type = mapping.text("attribute-sub-type", required=True, words=words, unsupported=unsupported)
    value = mapping.value("value")
    if value is None:
        mapping.refuse("value", "missing; allowed: text with ${column}, or an object for a document")
        return None
    if sub_type is None or kind is None:
        return None
    if kind == "document":
        return read_document(mapping, "value", value, _DOCUMENTS[sub_type])
    return read_scalar(mapping, "value", _SCALARS[sub_type], value)


def _reserved(name: str) -> str:
    return f"'{name}' is where streamjoin keeps what it knows of an item; use another name"
