import importlib.util
import json
import statistics
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    return loaded("capture_batches", monkeypatch)


def test_a_table_that_is_not_that_of_the_items_is_told(bench: Any) -> None:
    items = {"a": {"uuid": "a", "n": "1"}, "b": {"uuid": "b", "n": "2"}}

    def problems(*rows: tuple[str, str]) -> list[str]:
        return bench.item_problems(pa.table({"uuid": [r[0] for r in rows], "n": [r[1] for r in rows]}), items)

    assert problems(("b", "2"), ("a", "1")) == []
    assert "1 of 2 items differ" in problems(("a", "1"), ("b", "3"))[0]
    assert "1 of 2 items differ" in problems(("a", "1"))[0]
    assert "expected one row an item" in problems(("a", "1"), ("a", "1"), ("b", "2"))[0]


def test_changes_are_inserts_updates_and_removals_that_leave_the_items(bench: Any) -> None:
    changes = bench.Changes()
    records = [json.loads(data) for _, data in changes.batch(3_000)]
    operations = [record["eventName"] for record in records]
    assert {each: operations.count(each) > 100 for each in ("INSERT", "MODIFY", "REMOVE")} == dict.fromkeys(
        ("INSERT", "MODIFY", "REMOVE"), True
    )
    items: dict[str, Any] = {}
    for record in records:
        key, image = record["dynamodb"]["Keys"]["uuid"]["S"], record["dynamodb"].get("NewImage")
        items.pop(key, None)
        if image is not None:
            items[key] = {name: value["S"] for name, value in image.items()}
    assert items == changes.items


def test_the_published_result_was_checked_and_holds_what_is_claimed() -> None:
    result = json.loads((BENCHMARKS / "results" / "capture_batches.json").read_text())
    assert result["problems"] == []
    medians = {name: statistics.median(found["seconds"]) for name, found in result["variants"].items()}
    for kind, ratio in result["capture_to_enrich"].items():
        assert ratio["of_medians"] == pytest.approx(medians[f"capture, {kind}"] / medians[f"enrich, {kind}"], abs=0.01)
    assert [claim["holds"] for claim in result["claims"]] == [True]
    assert all(found["rows_checked"] > 0 for found in result["variants"].values())
