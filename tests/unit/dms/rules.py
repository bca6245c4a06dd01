"""Rules of mapping files, and tables for them, in as few words as a test needs."""

import json
from typing import Any

from streamjoin.dms import ColumnKind, SourceColumn, SourceTable, TableMappings

Rule = dict[str, Any]

K = ColumnKind
TEXT_ROW = {"id": 1, "first": "Ada", "last": "Lovelace", "phone": None}


def selection(schema: str = "%", table: str = "%", action: str = "include", **others: Any) -> Rule:
    locator = {"schema-name": schema, "table-name": table}
    return {"rule-type": "selection", "rule-action": action, "object-locator": locator, **others}


def mapping(table: str = "person", target: str = "people", document: bool = False, **parameters: Any) -> Rule:
    return {
        "rule-type": "object-mapping",
        "rule-action": "map-record-to-document" if document else "map-record-to-record",
        "object-locator": {"schema-name": "shop", "table-name": table},
        "target-table-name": target,
        "mapping-parameters": {key.replace("_", "-"): value for key, value in parameters.items()},
    }


def attribute(name: str, value: Any, sub_type: str = "string") -> dict[str, Any]:
    kind = "document" if sub_type.startswith("dynamodb-") else "scalar"
    return {
        "target-attribute-name": name,
        "attribute-type": kind,
        "attribute-sub-type": sub_type,
        "value": value,
    }


def column_rule(action: str, column: str = "first", table: str = "person", **others: Any) -> Rule:
    locator = {"schema-name": "shop", "table-name": table, "column-name": column}
    return {
        "rule-type": "transformation",
        "rule-action": action,
        "rule-target": "column",
        "object-locator": locator,
        **{key.replace("_", "-"): value for key, value in others.items()},
    }


def table_rule(action: str, table: str = "person", **others: Any) -> Rule:
    locator = {"schema-name": "shop", "table-name": table}
    return {
        "rule-type": "transformation",
        "rule-action": action,
        "rule-target": "table",
        "object-locator": locator,
        **{key.replace("_", "-"): value for key, value in others.items()},
    }


def file_of(*rules: Rule) -> str:
    numbered = [{"rule-id": str(at), "rule-name": f"rule-{at}", **rule} for at, rule in enumerate(rules, start=1)]
    return json.dumps({"rules": numbered})


def parsed(*rules: Rule, **options: Any) -> TableMappings:
    return TableMappings.parse(file_of(*rules), "mappings.json", **options)


def source(table: str = "person", /, primary_key: tuple[str, ...] = ("id",), **kinds: ColumnKind) -> SourceTable:
    kinds = kinds or {"id": K.INTEGER, "first": K.TEXT, "last": K.TEXT, "phone": K.TEXT}
    return SourceTable("shop", table, tuple(SourceColumn(each, kind) for each, kind in kinds.items()), primary_key)
