"""References whose rows are rewritten, for tests of what a configuration may say of them."""

import copy

GLUE = {"glue_catalog": {"database": "d", "table": "t"}}
OR_ELSE = ", or set on_change: new_rows"


def reference(name: str, on: str, *columns: str, **more: object) -> dict[str, object]:
    table = {"table_name": f"table_of_{name}"}
    return {
        **{"name": name, "dynamodb": table, "on": {on: "id"}, "columns": list(columns)},
        **{"on_change": "rewrite_rows", **more},
    }


COUNTRY = reference("country", "country", "code", "combinedname")
# Joined on what `country` gives.
ZONE = reference("zone", "code", "zone")
# Its columns stay as they are stored.
ITEM = reference("item", "uuid", "title", on_change="new_rows")


def rewriting(*references: dict[str, object], **output: object) -> dict[str, object]:
    return copy.deepcopy({"references": list(references or [COUNTRY]), "output": output})


def only(lines: list[str], start: str) -> str:
    (line,) = lines
    assert line.startswith(f"{start}: "), line
    return line
