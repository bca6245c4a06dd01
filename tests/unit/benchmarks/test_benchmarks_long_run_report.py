import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# The benchmarks are scripts: they find each other by the folder that they are started in.
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

import long_run  # noqa: E402
import long_run_report  # noqa: E402
from long_run_backlog import Backlog, Drained  # noqa: E402
from long_run_growth import AGAIN, FRESH, OLD, Grown, Growth, Plan, Sample  # noqa: E402
from long_run_updates import Updates  # noqa: E402

RESULT_KEYS = {"versions", "machine", "measured_at", "parameters", "growth", "backlog", "claims", "problems"}
FEW = Updates("orders", keys=12, records=4)
MB = 10**6


def memory(driver=200 * MB, jvm=900 * MB, workers=100 * MB):
    peaks = {"driver_peak_rss_bytes": driver, "jvm_peak_rss_bytes": jvm}
    return {"driver_rss_bytes": driver, "jvm_rss_bytes": jvm, "workers": 2, "workers_rss_bytes": workers, **peaks}


def grown(name, before, rounds, seconds, counted=4):
    batches = before + rounds
    each = Grown(f"/lake/{name}", [seconds] * batches, [2 * seconds] * batches, [{"commit": seconds}] * rounds)
    each.counted = [counted] * batches
    return each


def growth(old=1.2, again=1.0, samples=(), commits=40, rounds=4):
    plan = Plan(FEW, "COPY_ON_WRITE", "/lake/t", commits, 3, rounds, sample_every=10)
    tables = {OLD: grown(OLD, commits, rounds, old), FRESH: grown(FRESH, 3, rounds, 1.0)}
    return Growth(plan, tables | {AGAIN: grown(AGAIN, 3, rounds, again)}, list(samples))


def samples(*drivers, heap=100 * MB):
    return [Sample(10 * n, memory(driver=d), heap, {"timeline": n}) for n, d in enumerate(drivers, start=1)]


# Counts and limits


def test_a_batch_that_counted_other_records_is_a_problem_of_its_table():
    found = growth()
    found.tables[FRESH].counted[2] = 3
    assert long_run_report.growth_problems(found) == ["fresh: batch 3: expected 4 records, found 3"]


def drained(*records, drivers=None):
    drivers = drivers or [200 * MB] * len(records)
    return [Drained(n, 1.0, memory(driver=d), 100 * MB) for n, d in zip(records, drivers, strict=True)]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((50, 50, 20), []),
        ((54, 50, 16), []),
        ((55, 50, 15), ["backlog: batch 1: expected 54 records at most, found 55"]),
        ((50, 50, 0), ["backlog: expected 120 records read, found 100"]),
    ],
)
def test_a_backlog_is_read_whole_and_within_the_limit(records, said):
    assert long_run_report.backlog_problems(Backlog("orders", 120, 50), drained(*records)) == said


# Memory


def test_a_trend_is_the_rise_of_the_line_through_the_points():
    assert long_run_report.trend([100, 110, 120]) == pytest.approx(0.2)
    assert long_run_report.trend([100, 130, 100]) == pytest.approx(0.0)
    assert long_run_report.trend([120, 110, 100]) == pytest.approx(-1 / 6)


def noted(*drivers, jvm=900 * MB):
    return [memory(driver=driver, jvm=jvm) | {"jvm_heap_bytes": 100 * MB} for driver in drivers]


def test_memory_growth_is_that_of_the_second_half():
    points = noted(100, 300, 500, 500, 500, 600)
    assert long_run_report.memory_growth(points)["Python driver"] == pytest.approx(100 / 483.333, abs=0.0001)
    assert long_run_report.memory_growth(points)["JVM"] == 0.0
    assert long_run_report.memory_growth(points[:4]) == {}


def test_what_the_jvm_takes_between_two_collections_is_judged_by_its_highest():
    swinging = [noted(100, jvm=jvm)[0] for jvm in (1400, 2700, 1500, 1400, 1500, 2700)]
    assert long_run_report.memory_growth(swinging)["JVM"] == 0.0
    grown_since = [noted(100, jvm=jvm)[0] for jvm in (1400, 2000, 1500, 1400, 1500, 2500)]
    assert long_run_report.memory_growth(grown_since)["JVM"] == 0.25


# The result


def test_the_ratio_is_of_the_rounds_alone():
    found = growth(old=1.2)
    found.tables[OLD].seconds[:40] = [9.0] * 40
    result = long_run_report.growth_json(found, {OLD: 12, FRESH: 12, AGAIN: 12})
    assert result["ratios"]["old, in terms of fresh"] == {
        "of_medians": 1.2, "of_means": 1.2, "by_round": {"p25": 1.2, "median": 1.2, "p75": 1.2}, "of_cpu_seconds": 1.2,
    }  # fmt: skip
    assert result["ratios"]["fresh, again, in terms of fresh"]["of_medians"] == 1.0
    assert result["tables"][OLD]["commits_before_the_rounds"] == 40
    assert result["tables"][OLD]["max_seconds"] == 1.2


def test_slow_rounds_weigh_in_the_mean_and_not_in_the_median():
    found = long_run_report.ratio([1.0, 1.0, 1.0, 5.0], [1.0] * 4)
    assert (found["of_medians"], found["of_means"], found["by_round"]["median"]) == (1.0, 2.0, 1.0)


def test_the_process_age_compares_the_old_tables_own_batches():
    found = growth()
    found.tables[OLD].seconds[:] = [9.0] * 3 + [1.0] * 4 + [5.0] * 29 + [1.5] * 4 + [9.0] * 4
    result = long_run_report.growth_json(found, dict.fromkeys(found.tables, 12))
    assert result["growing"]["last_in_terms_of_early"] == 1.5
    assert (
        long_run_report.growth_json(growth(commits=10), dict.fromkeys(found.tables, 12))["growing"][
            "last_in_terms_of_early"
        ]
        is None
    )


def result_of(old=1.2, driver=200 * MB, problems=()):
    flat = samples(*[200 * MB] * 3, 200 * MB, 200 * MB, driver)
    given = Backlog("orders", 120, 50)
    batches = drained(*[20] * 6, drivers=[200 * MB] * 5 + [driver])
    result = {
        "growth": {
            "COPY_ON_WRITE": long_run_report.growth_json(
                growth(old, samples=flat, commits=60), dict.fromkeys((OLD, FRESH, AGAIN), 12)
            )
        },
        "backlog": long_run_report.backlog_json(given, batches, 120),
        "problems": list(problems),
    }
    return result | {"claims": long_run_report.claims(result)}


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({}, []),
        (
            {"old": 1.31},
            [
                "COPY_ON_WRITE: old, in terms of fresh, median of the rounds",
                "COPY_ON_WRITE: old, in terms of fresh, all of the time",
            ],
        ),
        (
            {"driver": 230 * MB},
            [
                "COPY_ON_WRITE: growth of the memory of the Python driver, second half",
                "backlog: growth of the memory of the Python driver, second half",
            ],
        ),
    ],
)
def test_the_bounds_stand_beside_what_was_found(found, missed):
    claims = result_of(**found)["claims"]
    assert len(claims) == 2 + 4 + 3
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed


def test_a_part_that_was_left_out_claims_nothing():
    assert long_run_report.claims({"problems": []}) == []
    printed = long_run_report.lines({"claims": [], "problems": []})
    assert printed[-1] == "all rows and counts as expected"


def test_a_missed_claim_and_a_problem_are_printed_and_no_success_beside_it():
    printed = long_run_report.lines(result_of(old=1.5, problems=["old: empty"]))
    assert "MISSED COPY_ON_WRITE: old, in terms of fresh, all of the time: 1.500, claimed at most 1.3" in printed
    assert "WRONG: old: empty" in printed
    assert "all rows and counts as expected" not in printed


def test_parts_that_were_not_measured_now_stay_in_the_file(tmp_path):
    earlier = {"parameters": {"rounds": 4}, "problems": [], "growth": {"A": 1, "B": 1}, "backlog": 1}
    (tmp_path / "file.json").write_text(json.dumps(earlier))
    found = long_run.beside_earlier_parts(
        {"parameters": {"rounds": 4}, "problems": [], "growth": {"B": 2}}, tmp_path / "file.json"
    )
    assert (found["growth"], found["backlog"]) == ({"A": 1, "B": 2}, 1)


@pytest.mark.parametrize("earlier", [{"parameters": {"rounds": 5}}, {"problems": ["old: empty"]}])
def test_parts_of_other_parameters_or_with_problems_do_not_stay(earlier, tmp_path):
    whole = {"parameters": {"rounds": 4}, "problems": [], "growth": {"A": 1}, "backlog": 1}
    (tmp_path / "file.json").write_text(json.dumps(whole | earlier))
    result = {"parameters": {"rounds": 4}, "problems": [], "growth": {"B": 2}}
    assert long_run.beside_earlier_parts(result, tmp_path / "file.json") == result


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["old: empty"], 1)])
def test_a_problem_is_the_exit_code_and_stands_in_the_json(problems, code, monkeypatch, tmp_path):
    measured = {**result_of(problems=problems), "versions": {}, "measured_at": "now", "parameters": {}}
    monkeypatch.setattr(long_run, "LocalStack", MagicMock())
    monkeypatch.setattr(long_run, "measure", lambda args, directory: measured)
    assert long_run.main(["-o", str(tmp_path / "new" / "result.json")]) == code
    written = json.loads((tmp_path / "new" / "result.json").read_text())
    assert written.keys() == RESULT_KEYS
    assert written["problems"] == problems


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "results").glob("long_run.json")), ids=lambda path: path.name)
def test_a_published_result_was_checked_and_says_what_it_was_measured_on(path):
    result = json.loads(path.read_text())
    assert result.keys() == RESULT_KEYS
    assert result["problems"] == []
    parameters = result["parameters"]
    for part in result["growth"].values():
        for found in part["tables"].values():
            assert len(found["seconds"]) == parameters["rounds"]
            assert found["rows_checked"] == parameters["keys"]
    assert result["backlog"]["rows_checked"] == result["backlog"]["records"]
    assert all(claim["holds"] for claim in result["claims"])
