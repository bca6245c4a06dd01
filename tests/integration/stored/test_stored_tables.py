"""What an earlier state of the package wrote goes on: its tables, ledgers, dead letters, journals and tombstones.

The archives beside this file were written by version 0.1.0 as of 2026-11-29 (commit 1283fa3), before each job got its
own folder: each holds a lake and what the stream or the tables had brought by then.
"""

import json
import tarfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.local.tables import create_stream, create_table
from streamjoin.verify import verify
from tests.e2e.scenario import COUNTRIES, Scenario, events
from tests.integration.capture.capturing import Capture, Captured, entry, live, told
from tests.oracle import Record

# The default, which those tables were made with; other tests have one.
FOUR_BUCKETS = {"hoodie.bucket.index.num.buckets": "4"}


def unpacked(name: str, folder: Path) -> Path:
    """Return the folder of a stored lake."""
    with tarfile.open(Path(__file__).parent / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


@dataclass
class StoredScenario(Scenario):
    """A job whose stream has forgotten what was read before this process: the test knows it still."""

    before: list[Record] = field(default_factory=list)

    def records(self) -> list[Record]:
        return [*self.before, *super().records()]


def keep_for_a_year(stream: str) -> None:
    """Let positions of 2026-11-29 be of a time whose records the stream would still have: until then a year later.

    Then make the archives again, by the commit before one that changes what is stored.
    """
    aws_client("kinesis").increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=365 * 24)


@pytest.mark.parametrize(
    ("name", "changes", "countries"),
    [
        # Both, for they lie on disk in different ways; rows already written are rewritten in one of them.
        (
            "stored-cow",
            {"references.0.on_change": "rewrite_rows", "sink.hudi.options": {}},
            {**COUNTRIES, "India": "IN-Bharat"},
        ),
        ("stored-mor", {"sink.hudi.table_type": "MERGE_ON_READ", "sink.hudi.options": {}}, COUNTRIES),
    ],
)
def test_a_table_of_the_state_before_goes_on(
    spark: SparkSession, tmp_path: Path, name: str, changes: dict[str, Any], countries: dict[str, str]
) -> None:
    stored = unpacked(name, tmp_path)
    before = [
        Record(shard_id, int(number), bytes.fromhex(data))
        for shard_id, number, data in json.loads((stored / "records.json").read_text())
    ]
    assert len(before) == 300
    scenario = StoredScenario(tmp_path, name, base=str(stored / "lake"), changes=changes, before=before)
    keep_for_a_year(scenario.stream)
    scenario.set_countries(countries)
    scenario.put(events(150, seed=7))
    summary = run(load_config(scenario.config), until_caught_up=True)
    assert summary.records == 150, "nothing is read again"
    scenario.check(countries)
    found = verify(f"{scenario.base}/t", f"{scenario.base}/dead")
    assert found.holds, "\n".join(found.lines())
    assert found.to_dict()["records"] == 450


def test_a_journal_of_the_state_before_goes_on_with_its_tables(spark: SparkSession, tmp_path: Path) -> None:
    stored = unpacked("stored-capture", tmp_path)
    lake = str(stored / "lake")
    expected = json.loads((stored / "expected.json").read_text(), object_hook=_value)
    create_stream(aws_client("kinesis"), "stored-changes", 2)
    keep_for_a_year("stored-changes")
    tables = []
    for name in ("stored-orders", "stored-log"):
        create_table(aws_client("dynamodb"), name, {"id": "S"})
        tables.append(Captured(name))
    orders, log = tables
    # What the table held when the state before stopped: none of it comes through the stream again.
    for key, item in expected["items"].items():
        orders.put(key, **{attribute: value for attribute, value in item.items() if attribute != "id"})
    capture = Capture(
        lake,
        {"kinesis": {"stream_name": "stored-changes"}},
        [
            entry("stored-orders", lake, hudi={"table_type": "MERGE_ON_READ", "options": FOUR_BUCKETS}),
            entry("stored-log", lake, layout="changelog", hudi={"options": FOUR_BUCKETS}),
        ],
    )
    assert capture.items("stored-orders") == expected["items"] == orders.scan()
    for table in tables:
        table.forward_to("stored-changes")
        live(table, seed=3)
    capture.run()
    assert capture.items("stored-orders") == orders.scan()
    assert capture.changes("stored-log") == [*map(tuple, expected["changes"]), *told(log.source)]
    capture.check_proof()


def _value(stored: dict[str, Any]) -> Any:
    """Return what JSON has no form for."""
    match stored:
        case {"number": str(text)} if len(stored) == 1:
            return Decimal(text)
        case {"set": list(values)} if len(stored) == 1:
            return set(values)
    return stored
