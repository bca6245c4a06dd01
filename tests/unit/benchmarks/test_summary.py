"""`make bench`: the entries of the summary, and the page."""

import json
import re

import pytest

from benchmarks.scale import __main__ as scale
from benchmarks.summary import __main__ as summary
from benchmarks.summary import running
from benchmarks.summary.figures import Figure, Found, Goal, all_entries, at_least, entries, figures, is_whole
from benchmarks.summary.html_page import page
from benchmarks.summary.sizes import FULL, QUICK

FAST = Figure("fast", "script / streamjoin", at_least(5))
FLAT = Figure("flat", "many / few", Goal(1.2))
KNOWN = Figure("known", "for information", unit="s")

# The summary


@pytest.mark.parametrize(("value", "met"), [(4.99, False), (5.0, True), (6.0, True)])
def test_a_figure_that_is_to_be_large_meets_its_goal_from_the_bound_on(value, met):
    assert entries([FAST], Found({"fast": value})) == [
        {"figure": "script / streamjoin", "value": value, "unit": "x", "goal": "≥ 5", "met": met}
    ]


@pytest.mark.parametrize(("value", "met"), [(1.21, False), (1.2, True), (0.7, True)])
def test_a_figure_that_is_to_be_small_meets_its_goal_up_to_the_bound(value, met):
    (entry,) = entries([FLAT], Found({"flat": value}))
    assert (entry["goal"], entry["met"]) == ("≤ 1.2", met)


def test_the_goal_is_judged_by_what_was_measured_not_by_what_is_shown():
    (entry,) = entries([FLAT], Found({"flat": 1.20004}))
    assert (entry["value"], entry["met"]) == (1.2, False)


def test_a_figure_for_information_has_no_goal_and_meets_none():
    (entry,) = entries([KNOWN], Found({"known": 2.0}))
    assert entry == {"figure": "for information", "value": 2.0, "unit": "s", "goal": None, "met": None}


def test_a_part_that_fails_has_an_entry_for_each_figure_with_the_reason_and_loses_no_others():
    found = {"steady": Found(error="Py4JError: gone"), "rows": Found({"flat": 1.0})}
    listed = all_entries({"steady": [FAST, KNOWN], "rows": [FLAT], "memory": [KNOWN]}, found)
    assert [(e["value"], e["met"], e.get("reason")) for e in listed] == [
        (None, False, "Py4JError: gone"),
        (None, False, "Py4JError: gone"),
        (1.0, True, None),
        (None, False, "the part has not run"),
    ]
    assert not is_whole(found, listed)


def test_a_part_that_was_wrong_meets_no_goal_however_fast_it_was():
    found = {"steady": Found({"fast": 99.0, "known": 1.0}, problems=["row 7 is missing"])}
    listed = all_entries({"steady": [FAST, KNOWN]}, found)
    assert [(e["value"], e["met"]) for e in listed] == [(99.0, False), (1.0, None)]
    assert {e["reason"] for e in listed} == {"WRONG: row 7 is missing"}
    assert not is_whole(found, listed)


def test_a_goal_that_is_missed_is_no_failure_of_the_run():
    found = {"steady": Found({"fast": 1.0})}
    assert is_whole(found, all_entries({"steady": [FAST]}, found))


@pytest.mark.parametrize("sizes", [FULL, QUICK])
def test_every_figure_has_a_key_and_a_text_of_its_own(sizes):
    for listed in figures(sizes).values():
        assert len({figure.key for figure in listed}) == len(listed)
    texts = [figure.text for listed in figures(sizes).values() for figure in listed]
    assert len(set(texts)) == len(texts)


def test_the_goals_are_the_issues():
    goals = [str(figure.goal) for listed in figures(FULL).values() for figure in listed if figure.goal]
    assert goals == [
        *("≥ 5", "≥ 3.5", "≤ 1.1", "≤ 1.1", "≥ 3", "≥ 4", "≤ 1.2", "≤ 1.2", "≤ 1.2", "≤ 1.5", "≤ 1.5"),
        *("≥ 10", "≥ 60", "≥ 3", "≥ 3", "≤ 1.2", "≤ 3", "≤ 1.2", "≤ 3", "≤ 12", "≤ 12", "≤ 1.3", "≤ 1.3", "≤ 1.1"),
        *("≤ 1.2", "≤ 1.2", "≤ 1.03", "≤ 1.03", "≤ 0.3"),
    ]
    assert (FULL.day_rows, FULL.few_rows, FULL.many_rows) == (10**6, 10**5, 3 * 10**6)
    assert (FULL.items, FULL.many_items, FULL.backlog_records) == (50_000, 500_000, 100_000)
    # Within its twenty minutes a run takes backlogs of a tenth; the curves have those of the goal.
    assert (10 * FULL.memory_records, 10 * scale.FULL.backlogs) == (2 * 10**5, 2 * 10**6)


def test_a_run_writes_the_summary_all_it_measured_and_a_page_and_fails_if_a_figure_is_missing(tmp_path, monkeypatch):
    found = {"help": Found({"help": 0.1}, details={"seconds": [0.1]}), "memory": Found(error="no /proc")}
    monkeypatch.setattr(summary, "measure", lambda sizes, chosen, result: found)
    assert summary.main(["--parts", "help", "-o", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "summary.json").read_text()) == [
        {"figure": "`streamjoin --help`", "value": 0.1, "unit": "s", "goal": "≤ 0.3", "met": True}
    ]
    assert summary.main(["--parts", "help,memory", "-o", str(tmp_path)]) == 1
    assert len(json.loads((tmp_path / "summary.json").read_text())) == 3
    assert json.loads((tmp_path / "bench.json").read_text())["parameters"]["rounds"] == FULL.rounds
    assert "no /proc" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(("value", "rounds"), [("1", QUICK.rounds), ("0", FULL.rounds), ("", FULL.rounds)])
def test_the_variable_makes_a_run_quick(value, rounds, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK", value)
    monkeypatch.setattr(summary, "measure", lambda sizes, chosen, result: {"help": Found({"help": sizes.rounds})})
    summary.main(["--parts", "help", "-o", str(tmp_path)])
    assert json.loads((tmp_path / "summary.json").read_text())[0]["value"] == rounds


@pytest.mark.parametrize("main", [summary.main, scale.main])
def test_an_unknown_part_is_refused_with_those_that_there_are(main, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--parts", "speed"])
    assert end.value.code == 2
    assert "'speed' is no part; allowed: " in capsys.readouterr().err


def test_a_part_that_raises_is_an_error_of_its_own(monkeypatch):
    def fail(*_):
        raise RuntimeError("the emulator is gone")

    monkeypatch.setattr(running.steady, "measure", fail)
    monkeypatch.setattr(running.behind, "measure", lambda *_: Found({"floor": 1.0}))
    found = running.run_timed(None, QUICK, "/nowhere", "http://nowhere", ["steady", "behind"])
    assert found["steady"].error == "RuntimeError: the emulator is gone"
    assert found["behind"].values == {"floor": 1.0}


def test_what_runs_in_a_process_of_its_own_is_not_of_the_program_that_was_started():
    """A new process would look for it there under another name."""
    for program in (summary, scale):
        own = [f for f in vars(program).values() if getattr(f, "__module__", "") == program.__name__]
        assert sorted(f.__name__ for f in own) == ["main", "write"]


def test_curves_are_written_beside_the_figures_that_are_there(tmp_path, monkeypatch):
    curve = {
        "title": "by shards",
        "x": "shards",
        "y": "s a batch",
        "log_x": True,
        "lines": {"ours": [(1, 0.5), (32, 0.6)]},
    }
    monkeypatch.setitem(scale.PARTS, "shards", lambda *_: ([curve], Found()))
    assert scale.main(["--parts", "shards", "-o", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "scale.json").read_text())["curves"][0]["lines"] == {"ours": [[1, 0.5], [32, 0.6]]}
    assert "<h3>by shards</h3><p>s a batch</p>" in (tmp_path / "index.html").read_text()
    monkeypatch.setitem(scale.PARTS, "shards", lambda *_: ([curve], Found(problems=["row 7 is missing"])))
    assert scale.main(["--parts", "shards", "-o", str(tmp_path)]) == 1


def test_a_curve_that_is_measured_alone_takes_its_own_place_beside_the_others(tmp_path, monkeypatch):
    def measured(part, seconds, *problems):
        curve = {"title": f"by {part}", "x": part, "y": "s a batch", "log_x": True, "lines": {"ours": [(1, seconds)]}}
        monkeypatch.setitem(scale.PARTS, part, lambda *_: ([curve], Found(problems=problems)))
        scale.main(["--parts", part, "-o", str(tmp_path)])
        return json.loads((tmp_path / "scale.json").read_text())

    measured("rows", 0.4)
    measured("shards", 0.5, "row 7 is missing")
    found = measured("items", 0.6)
    assert [(curve["title"], curve["lines"]["ours"]) for curve in found["curves"]] == [
        ("by rows", [[1, 0.4]]),
        ("by shards", [[1, 0.5]]),
        ("by items", [[1, 0.6]]),
    ]
    assert found["problems"] == ["shards: row 7 is missing"]
    assert all(curve["measured_at"] and curve["streamjoin_commit"] for curve in found["curves"])
    found = measured("shards", 0.7)
    assert [curve["lines"]["ours"] for curve in found["curves"]] == [[[1, 0.4]], [[1, 0.6]], [[1, 0.7]]]
    assert found["problems"] == []


# The page

VARIANT = {"seconds": [1.0] * 12, "steps_median_seconds": {"fetch": 0.2, "committed": 0.8, "recorded": 0.001}}


def result(**more):
    machine = {"cpus": 2, "memory_bytes": 24e9, "load_average_before": [0.1]}
    head = {"machine": machine, "versions": {"streamjoin_commit": "abc"}, "measured_at": "2026-11-30", "problems": []}
    return head | more


def test_the_page_has_every_entry_and_fetches_nothing():
    found = {"steady": Found({"fast": 6.0}), "rows": Found(error="<gone>")}
    listed = all_entries({"steady": [FAST], "rows": [FLAT]}, found)
    parts = {
        "steady": {"variants": {"script": VARIANT}},
        "freshness": {"seconds": {"polled": [0.1, 0.2], "pushed": [0.1, 0.1]}},
        "memory": {"memory": {"2,000 records": [10**9, 2 * 10**9]}},
        "requests": {"requests": {"merge-on-read": {"LIST": 56.0, "HEAD": 61.0}}},
    }
    text = page(result(summary=listed, parts=parts))
    for said in ("script / streamjoin", "6 x", "≥ 5", ">met<", "many / few", "&lt;gone&gt;", "missed"):
        assert said in text
    for said in ("commit: 0.8 s", "enhanced fan-out", "2,000 records", "LIST: 56 requests"):
        assert said in text
    assert 'name="viewport"' in text and "prefers-color-scheme: dark" in text
    assert not re.search(r"https?:|<script|<img|src=|href=\"(?!data:)|@import|url\(", text)


def test_a_wrong_run_says_so_on_the_page():
    assert "WRONG: rows: row 7 is missing" in page(result(problems=["rows: row 7 is missing"]))
