"""What docs/configuration.md says of the jobs beside `enrich`, checked against their models."""

import re

import pytest
import yaml

from streamjoin.entry import json_schema
from tests.documents import OTHER_JOBS, code_blocks, keys_of, quoted, table_rows


def test_every_key_of_a_replication_is_documented_with_its_default_and_no_other() -> None:
    schema = json_schema("replicate")
    keys = keys_of(schema, schema["$defs"])
    rows = {quoted(cells[0])[0]: cells for cells in table_rows(OTHER_JOBS["replicate"], 4)}
    # A key with keys of its own is documented by these, unless it may be left out.
    parents = {key for key in keys if any(other.startswith(f"{key}.") for other in keys)}
    assert sorted(rows) == sorted((keys.keys() - parents) | {"source.mysql.tls", "dead_letters"})
    for key, cells in rows.items():
        node, required = keys[key]
        assert (cells[2] == "required") is required, key
        if not required:
            assert yaml.safe_load(quoted(cells[2])[0]) == node.get("default"), key
    (example,) = code_blocks(OTHER_JOBS["replicate"], "yaml")
    missing = [key for key in rows if not re.search(rf"\b{key.rpartition('.')[2]}:", example)]
    assert missing == ["source.mysql.password"]


# Keys of one job that are those of another, and documented there.
SHARED_KEYS = {
    "capture": {
        "name": "name",
        **{
            f"{place}.": f"{place}."
            for place in ("source.kinesis", "dead_letters", "limits", "trigger", "metrics", "logging")
        },
        "tables[].sink.hudi.": "sink.hudi.",
    },
    "backfill": {
        "name": "name",
        **{f"{place}.": f"{place}." for place in ("dead_letters", "metrics", "logging")},
        "tables[].": "tables[].",
    },
}


@pytest.mark.parametrize(("job", "other"), [("capture", "enrich"), ("backfill", "capture")])
def test_every_key_of_capture_and_backfill_is_documented_and_no_other(job: str, other: str) -> None:
    keys, others = (keys_of(schema, schema["$defs"]) for schema in (json_schema(job), json_schema(other)))
    rows = {quoted(cells[0])[0]: cells for cells in table_rows(OTHER_JOBS[job], 4)}
    assert rows.keys() <= keys.keys()
    for key, (node, required) in keys.items():
        if key in rows:
            assert (rows[key][2] == "required") is required, key
            empty: object = {"array": [], "object": {}}.get(node.get("type", ""))
            assert required or yaml.safe_load(quoted(rows[key][2])[0]) == node.get("default", empty), key
            assert [word for word in node.get("enum", ()) if word not in quoted(rows[key][3])] == [], key
        elif not any(inner.startswith(f"{key}.") for inner in keys):
            (place,) = (place for place in SHARED_KEYS[job] if key.startswith(place))
            assert node == others[SHARED_KEYS[job][place] + key.removeprefix(place)][0], key
    examples = "".join(code_blocks(OTHER_JOBS[job], "yaml"))
    names = [key.rpartition(".")[2].removesuffix("[]") for key in rows]
    assert [name for name in names if not re.search(rf"\b{name}:", examples)] == ["type", "unlisted_tables"] * (
        job == "capture"
    )
