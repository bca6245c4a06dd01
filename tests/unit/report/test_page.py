"""The page of a job, of each kind, from figures that are made up."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from streamjoin.history.figures import BatchFigures, ReferenceFigures
from streamjoin.lock.holder import Holder
from streamjoin.lock.view import LockView
from streamjoin.overview.overview import ShardView
from streamjoin.overview.state import JobState, State
from streamjoin.report.file_sizes import TableSizes
from streamjoin.report.page import page
from streamjoin.report.points import History, gathered
from tests.pages import Figure, body_of, figures_of, tables_of
from tests.reported import JOBS, NOW, SIZES, batches, overview_of

ALWAYS = ("Throughput", "Lag", "Freshness", "Seconds by stage", "Dead letters by reason", "Trouble")
HUDI = ("Sizes of files written", "Sizes of the tables' files")
TITLES = {
    "enrich": {*ALWAYS, *HUDI, "Reference changes", "Age of references", "Matched events", "Table services"},
    "capture": {*ALWAYS, *HUDI, "Rows by table", "Table services"},
    "backfill": {*ALWAYS, *HUDI},
    "replicate": set(ALWAYS),
}


def made(kind: str, count: int = 12, **rest: Any) -> bytes:
    figures = batches(count)
    return page(overview_of(kind, figures, **rest), gathered(figures), None if kind == "replicate" else SIZES, None)


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_has_its_plots_each_with_a_point_for_each_batch(kind: str) -> None:
    found = figures_of(made(kind))
    assert set(found) == TITLES[kind]
    counts = {title: each.points for title, each in found.items()}
    assert counts.pop("Sizes of the tables' files", 4) == 4
    assert set(counts.values()) == {12}, counts


def column(figure: Figure, name: str) -> list[str]:
    return [row[name] for row in figure.rows()]


def test_the_numbers_of_each_plot_are_those_of_the_batches() -> None:
    figures, found = batches(12), figures_of(made("enrich"))
    times = [f"{each.at:%Y-%m-%d %H:%M:%S}" for each in figures]
    assert all(column(found[title], "UTC") == times for title in found if title != HUDI[1])
    # The first one's time is that of its stages.
    assert column(found["Throughput"], "records read") == ["53.3", *(f"{each.read / 5:.3g}" for each in figures[1:])]
    out = column(found["Throughput"], "rows upserted or deleted")
    assert out[1:] == [f"{each.kept / 5:.3g}" for each in figures[1:]]
    assert column(found["Lag"], "slowest shard") == ["10 ms", *(f"{n} s" for n in range(1, 12))]
    assert column(found["Freshness"], "p99") == [f"{2 + n / 10:.3g} s" for n in range(12)]
    assert column(found["Seconds by stage"], "commit") == ["500 ms"] * 12
    assert column(found["Seconds by stage"], "dead letters") == ["0", "0", *["100 ms"] * 10]
    # In their order, whichever came first.
    assert list(found["Seconds by stage"].rows()[0]) == ["UTC", "fetch", "compute", "dead letters", "commit", "own"]
    assert column(found["Dead letters by reason"], "WRONG_TYPE") == ["1", "0", "0"] * 4
    assert column(found["Dead letters by reason"], "NOT_UTF8") == [*"000100000100"]
    assert "6 in this time. Of all, 1 re-driven." in found["Dead letters by reason"].words
    assert column(found["Reference changes"], "country") == [*"000011112222"]
    assert column(found["Age of references"], "country") == ["4 s"] * 12
    assert column(found["Matched events"], "country") == ["80 %"] * 12
    assert column(found["Sizes of files written"], "mean") == ["1.5 kB"] * 12
    assert column(found["Sizes of files written"], "largest")[-1] == "2.01 kB"
    assert column(found["Table services"], "beside cleaning") == ["2 s", "0", "0", "0"] * 3
    assert column(found["Trouble"], "retries") == ["0", "1"] * 6


def test_files_are_told_by_size_and_by_table() -> None:
    text = made("capture")
    assert figures_of(text)[HUDI[1]].rows() == [
        {"": "below 10 kB", "base files": "1", "logs": "1"},
        {"": "10 kB to 100 kB", "base files": "1", "logs": "0"},
        {"": "100 kB to 1 MB", "base files": "0", "logs": "0"},
        {"": "1 MB to 10 MB", "base files": "2", "logs": "0"},
    ]
    row = {"table": "orders", "base files": "4", "bytes": "5.05 MB", "median": "1.02 MB", "largest": "3 MB"}
    assert tables_of(text)["By table: 1"] == [{**row, "logs": "1", "bytes of logs": "400 B"}]


def test_a_capture_s_rows_are_told_by_table() -> None:
    found = figures_of(made("capture"))["Rows by table"]
    assert column(found, "clients") == [str(40 + n) for n in range(12)]


def test_what_one_wants_to_see_first_stands_above_the_plots() -> None:
    words = " ".join(" ".join(body_of(made("enrich")).itertext()).split())
    head = words[: words.index("Throughput")]
    for said in (
        "orders enrich ● running",
        "As of 2026-01-31 12:00:00 UTC",
        "The slowest shard is 1 min 30 s behind.",
        "Lag 1 min 30 s",
        "Last commit 12:00:00 2026-01-31, just now",
        "Freshness p99 3.1 s p50 1.0 s, max 4.1 s",
        "Records a second",
        "Dead letters 4 WRONG_TYPE 3, NOT_UTF8 1",
        "held by 'orders' on host, process 42",
        "12 commits from 2026-01-31 11:59:05 to 2026-01-31 12:00:00",
    ):
        assert said in head, said


def test_shards_references_and_the_last_commits_stand_in_tables() -> None:
    found = tables_of(made("enrich", 60))
    assert found["Position and lag: 1 open shard, 1 read to their end"][0]["position"] == "AFTER 9"
    assert found["References of the newest commit: 1"][0]["version"] == "17"
    commits = found["Last 50 commits"]
    assert (len(commits), commits[0]["what"], commits[0]["read"], commits[0]["rejected"]) == (
        50,
        "batch-59",
        "159",
        "0",
    )
    assert "Last 50 minutes" in tables_of(made("replicate", 60))


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_was_never_started_has_a_page_that_says_so(kind: str) -> None:
    never = JobState(State.NEVER_STARTED, "no commit, and no process has its lock")
    looked = overview_of(kind, [], state=never, lock=LockView(), shards=(), letters={})
    text = page(looked, History(), None if kind == "replicate" else [], None)
    words = " ".join(body_of(text).itertext())
    assert "never started" in words and "No commit yet, so there is nothing to be drawn." in words
    assert figures_of(text) == {}


def test_a_time_without_commits_is_said_and_files_are_shown_all_the_same() -> None:
    text = page(overview_of("enrich", batches(3)), History(), SIZES, NOW)
    assert "No commit in this time." in " ".join(body_of(text).itertext())
    assert "all since 2026-01-31 12:00:00" in " ".join(body_of(text).itertext())
    assert set(figures_of(text)) == {HUDI[1]}


@pytest.mark.parametrize("kind", JOBS)
def test_batches_of_which_nothing_else_is_known_have_a_page_of_sentences(kind: str) -> None:
    bare = [BatchFigures(batch_id=f"b{n}", at=NOW - timedelta(seconds=9 - n)) for n in range(3)]
    text = page(
        overview_of(kind, bare, shards=(), letters={}), gathered(bare), None if kind == "replicate" else [], None
    )
    found = figures_of(text)
    assert set(found) == TITLES[kind]
    for title in ("Lag", "Freshness", "Seconds by stage", "Dead letters by reason", "Trouble"):
        (sentence,) = [each for each in found[title].element.iter("p") if each.get("class") == "nothing"]
        assert sentence.text and sentence.text.endswith("."), title
        assert found[title].points == 0
    assert "has no lag" in found["Lag"].words if kind == "backfill" else "No commit says" in found["Lag"].words


def test_a_stop_is_shaded_in_all_plots_and_said_above_them() -> None:
    figures = batches(12, stopped_at=6)
    text = page(overview_of("enrich", figures), gathered(figures), SIZES, None)
    assert "Shaded: no commit." in text.decode()
    for title, found in figures_of(text).items():
        silences = [each for each in found.element.iter("rect") if each.get("class") == "silence"]
        assert len(silences) == (title != HUDI[1]), title
    (lag,) = [each.shapes("polyline", "l0") for title, each in figures_of(text).items() if title == "Lag"]
    assert [len(each) for each in lag] == [6, 6]
    assert "Shaded" not in made("enrich").decode()


def test_of_a_long_history_a_point_says_for_what_it_stands_and_the_page_stays_small() -> None:
    figures = batches(3_000)
    text = page(overview_of("enrich", figures), gathered(figures), SIZES, None)
    assert len(text) < 2_000_000
    found = figures_of(text)
    points = {each.points for title, each in found.items() if title != HUDI[1]}
    assert len(points) == 1 and 100 < points.pop() <= 400
    assert sum(int(value) for value in column(found["Dead letters by reason"], "WRONG_TYPE")) == 1_000
    words = " ".join(body_of(text).itertext())
    assert re.search(r"stands for \d+ (s|min)[^:]*: sums and means of its commits, the worst lag and freshness", words)
    assert "3,000 commits" in words


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_a_mark_and_a_word(state: State) -> None:
    words = " ".join(body_of(made("enrich", state=JobState(state, "so it is"))).itertext())
    assert f"{state.value} so it is" in " ".join(words.split())


def test_failures_of_catalog_and_references_stand_above_the_plots() -> None:
    figures = batches(3)
    failed = {"country": ReferenceFigures(3, 400.0, failures=7)}
    figures[-1] = replace(figures[-1], catalog_failures=2, catalog_error="AccessDenied", references=failed)
    text = page(overview_of("enrich", figures), gathered(figures), SIZES, None)
    (alerts,) = [each for each in body_of(text).iter("div") if each.get("class") == "alerts"]
    words = " ".join(alerts.itertext())
    assert "The catalog failed 2 times in a row: AccessDenied" in words
    assert "The last 7 refreshes of reference 'country' failed." in words


def test_a_table_that_can_not_be_listed_says_why_and_the_page_is_made_all_the_same() -> None:
    text = page(
        overview_of("capture", batches(3)), gathered(batches(3)), [TableSizes("t", trouble="denied"), *SIZES], None
    )
    assert "denied" in figures_of(text)[HUDI[1]].words
    only = page(overview_of("capture", batches(3)), gathered(batches(3)), [TableSizes("t", trouble="denied")], None)
    assert "denied" in figures_of(only)[HUDI[1]].words
    none = page(overview_of("capture", batches(3)), gathered(batches(3)), [TableSizes("t")], None)
    assert "No commit has written a file yet." in figures_of(none)[HUDI[1]].words


HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\ud800"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("kind", JOBS)
def test_whatever_comes_from_data_is_text(kind: str) -> None:
    figures = [
        replace(
            each,
            batch_id=HOSTILE,
            rejected_by_reason={HOSTILE: 1},
            references={HOSTILE: ReferenceFigures(1, 1.0, failures=1)},
            matched={HOSTILE: 1},
            unmatched={HOSTILE: 1},
            seconds={HOSTILE: 1.0},
            services={HOSTILE: 1.0},
            tables={HOSTILE: 1, f"{HOSTILE}2": 2},
            catalog_failures=1,
            catalog_error=HOSTILE,
        )
        for each in batches(3)
    ]
    looked = overview_of(
        kind,
        figures,
        job=HOSTILE,
        where={HOSTILE: HOSTILE},
        details={HOSTILE: HOSTILE},
        letters={HOSTILE: 1},
        state=JobState(State.DIED, HOSTILE),
        lock=LockView(Holder(HOSTILE, HOSTILE, 1, HOSTILE), evidence=HOSTILE),
        shards=[ShardView(HOSTILE, HOSTILE, 1)],
    )
    sizes = [TableSizes(HOSTILE, [1], [1]), TableSizes(HOSTILE, trouble=HOSTILE)]
    text = page(looked, gathered(figures), sizes, None).decode()
    found = Tags(text)
    assert {"script", "img"}.isdisjoint(found.tags)
    assert found.tags.count("style") == 1
    assert found.handlers == []


def test_nothing_in_a_page_names_an_address() -> None:
    text = made("enrich").decode()
    assert not re.search(r"https?:|//|<script|<img|src=|href=\"(?!data:,\")|@import|url\(", text)
