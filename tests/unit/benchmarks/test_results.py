"""What is published must have been checked, and say what it was measured on."""

import json
import statistics

import pytest

from benchmarks.arguments import RESULTS

ALWAYS = {"versions", "machine", "measured_at", "parameters", "problems"}


def published(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_published_result_has_no_problems_and_its_claims_hold(path):
    result = json.loads(path.read_text())
    assert result.keys() >= ALWAYS
    assert result["problems"] == []
    assert all(claim["holds"] for claim in result.get("claims", []))


def test_the_goals_that_are_published_have_a_value_each():
    result = published("bench")
    assert not result["is_quick"]
    assert result["summary"]
    assert all(figure["value"] is not None for figure in result["summary"])


def test_the_ratios_of_the_capture_are_those_of_its_seconds():
    result = published("capture_batches")
    medians = {name: statistics.median(found["seconds"]) for name, found in result["variants"].items()}
    for kind, ratio in result["capture_to_enrich"].items():
        assert ratio["of_medians"] == pytest.approx(medians[f"capture, {kind}"] / medians[f"enrich, {kind}"], abs=0.01)
    assert all(found["rows_checked"] > 0 for found in result["variants"].values())
    assert len(result["claims"]) == 1


def test_all_rows_joined_with_a_changing_reference_were_checked():
    result = published("changing_reference")
    for found in result["variants"].values():
        batches = len(found["warmup_seconds"]) + len(found["seconds"])
        assert found["rows_checked"] == batches * result["parameters"]["records_per_batch"]
    for found in result["rewriting"].values():
        assert found["rows_checked"] > result["parameters"]["rewrite_rows"]
    assert len(result["claims"]) == 4


def test_all_rows_of_long_runs_were_checked():
    result = published("long_run")
    for part in result["growth"].values():
        for found in part["tables"].values():
            assert len(found["seconds"]) == result["parameters"]["rounds"]
            assert found["rows_checked"] == result["parameters"]["keys"]
    assert result["backlog"]["rows_checked"] == result["backlog"]["records"]
    assert len(result["claims"]) == 2 * 6 + 3


def test_all_items_of_a_replication_were_checked():
    result = published("replicate")
    assert result["rows_checked"] == result["full_load"]["count"] == result["parameters"]["rows"]
    assert result["latency"]["changes"] == result["parameters"]["counted_changes"]
    assert len(result["claims"]) == 3


def test_all_rows_of_a_backfill_were_checked():
    result = published("backfill")
    for part, items in (("export", "items"), ("scan", "scan_items")):
        assert result[part]["rows_checked"] == result[part]["rows"] == result["parameters"][items]
