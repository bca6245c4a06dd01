"""What a batch was in numbers: into the commit, into the ledger, and read back."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.history.entry import Entry
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.history.figures import BatchFigures, Files, Freshness, Known, Observed, ReferenceFigures, newest_files
from streamjoin.history.journal import Journal
from streamjoin.history.ledger import Ledger
from streamjoin.history.stored_figures import from_values, to_values, together
from streamjoin.shards.arrivals import Arrivals
from tests.faults.ledger import FakeTable
from tests.history import JobHistory

COMMITTED_MS = 1_769_817_610_000
KNOWN = Known(
    arrivals=Arrivals(COMMITTED_MS - 9_000, COMMITTED_MS - 8_000, COMMITTED_MS - 1_500),
    seconds={"fetch": 0.1234, "compute": 0.5, "ledger": 0.0456},
    refresh_failures={"country": 2, "city": 0},
    meanwhile={"retries": 1, "commits": 3, "s3_requests": 0},
    services={"waited.planning": 0.25},
)
OBSERVED = Observed(COMMITTED_MS, 0.75)


def history_of(commit: Any) -> JobHistory:
    made = JobHistory(commit)
    made.start("a", "b")
    made.batch({"a": 10, "b": 5}, {"WRONG_TYPE": 2}, superseded=1)
    return made


def said(**more: Any) -> dict[str, str]:
    """Return the metadata of a batch of 15 records."""
    commits: list[dict[str, str]] = []
    history_of(commits.append)
    counts = {**json.loads(commits[-1]["counts"]), "unmatched": {"country": 4}}
    references = {"country": {"version": 3, "as_of": "2026-01-31T00:00:00+00:00", "read_units": 2.5}}
    return {**commits[-1], "counts": json.dumps(counts), "references": json.dumps(references), **more}


def test_a_commit_says_little_and_what_it_says_comes_back(tmp_path: Path) -> None:
    catalog = {"table": "sales.orders", "failures": 3, "error": "AccessDenied"}
    metadata = said(**KNOWN.to_metadata(), catalog=json.dumps(catalog))
    assert len(metadata["figures"]) < 250
    entry = Entry.of("20260131000005000", metadata, {**OBSERVED.to_dict(), "files": [3, 900, 500]})
    assert BatchFigures.of(entry) == BatchFigures(
        batch_id="batch-1",
        at=datetime.fromtimestamp(COMMITTED_MS / 1000, UTC),
        **{"read": 15, "kept": 12, "superseded": 1},
        rejected_by_reason={"WRONG_TYPE": 2},
        matched={"country": 9},
        unmatched={"country": 4},
        bytes=150,
        lag_ms={"a": 0, "b": 0},
        freshness=Freshness(1.5, 8.0, 9.0),
        seconds={"fetch": 0.123, "compute": 0.5, "ledger": 0.046, "commit": 0.75},
        services={"waited.planning": 0.25},
        references={"country": ReferenceFigures(3, age_seconds=10.0, read_units=2.5, failures=2)},
        meanwhile={"retries": 1},
        files=Files(3, 900, 500),
        read_units=2.5,
        catalog_failures=3,
        catalog_error="AccessDenied",
    )


def test_what_an_earlier_version_committed_has_no_figures_and_is_read_all_the_same() -> None:
    figures = BatchFigures.of(Entry.of("20260131000005000", said()))
    assert (figures.read, figures.rejected, figures.lag_ms) == (15, 2, {"a": 0, "b": 0})
    assert figures.at == datetime(2026, 1, 31, 0, 0, 5, tzinfo=UTC)
    assert (figures.freshness, figures.files, figures.seconds, figures.meanwhile) == (None, None, {}, {})


def test_the_ledger_has_what_was_observed_of_a_commit_and_an_entry_made_later_has_its_files_alone(
    tmp_path: Path,
) -> None:
    table = FakeTable(tmp_path / "t")
    ledger = Ledger(table.base_path)
    written = {
        "partitionToWriteStats": {"": [{"fileId": "f", "fileSizeInBytes": 700}, {"fileId": "g", "fileSizeInBytes": 50}]}
    }

    def commit(batch_id: str) -> str:
        extra = {f"streamjoin.{key}": value for key, value in said(batch_id=batch_id, **KNOWN.to_metadata()).items()}
        instant = table.commit()
        table.write(instant, json.dumps({**written, "extraMetadata": {"schema": "{}", **extra}}))
        return instant

    first = commit("one")
    (added,) = ledger.follow({"one": OBSERVED, "another": Observed(1, 1.0)})
    commit("two")
    ledger.follow()
    told, late = map(BatchFigures.of, Ledger(table.base_path).entries())
    assert (told.seconds["commit"], told.freshness) == (0.75, Freshness(1.5, 8.0, 9.0))
    assert told.files == late.files == Files(2, 750, 700)
    assert "commit" not in late.seconds
    # What was observed is no part of what the commit says.
    assert Ledger(table.base_path).history().contradiction(added) is None
    assert added == replace(added, observed={}) and added.instant == first
    timeline, files = newest_files(table.base_path)
    assert (timeline.newest, files) == (table.commits()[-1], Files(2, 750, 700))


def test_a_journal_has_both(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    entry = journal.append(said(**KNOWN.to_metadata()), OBSERVED.to_dict())
    journal.append(said())
    first, second = Journal(str(tmp_path / "journal")).entries()
    assert BatchFigures.of(first) == BatchFigures.of(entry)
    assert BatchFigures.of(first).seconds["commit"] == 0.75
    assert BatchFigures.of(second).freshness is None


@pytest.mark.parametrize("kind", ["start", "rewrite", "redrive", "set", "scan", "load"])
def test_what_is_no_batch_is_told_by_its_name(kind: str) -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    assert BatchFigures(batch_id=f"{kind}-20260131", at=moment).kind == kind
    assert BatchFigures(batch_id="d41d8cd98f00", at=moment).kind == "batch"


numbers = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 1_000))
numbers = numbers | numbers.map(Counter)
seconds = st.dictionaries(st.sampled_from(["fetch", "commit"]), st.floats(0.001, 100).map(lambda each: round(each, 3)))
fresh = st.none() | st.tuples(*[st.floats(0, 1_000).map(lambda each: round(each, 3))] * 3).map(lambda f: Freshness(*f))
figures = st.builds(
    BatchFigures,
    batch_id=st.just("b"),
    at=st.integers(COMMITTED_MS, COMMITTED_MS * 2).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
    **dict.fromkeys(("read", "kept", "superseded", "removed", "rewritten", "bytes", "ignored"), st.integers(0, 1_000)),
    **dict.fromkeys(
        ("rejected_by_reason", "redriven_by_reason", "matched", "unmatched", "meanwhile", "tables", "lag_ms"), numbers
    ),
    **dict.fromkeys(("seconds", "services"), seconds),
    freshness=fresh,
    files=st.none() | st.builds(Files, *[st.integers(0, 1_000)] * 3),
    catalog_failures=st.integers(0, 9),
    batches=st.integers(1, 9),
)


@given(figures)
def test_figures_survive_json(made: BatchFigures) -> None:
    assert from_values(json.loads(json.dumps({**to_values(made), "of_a_later_version": 1}))) == made


@given(st.lists(figures, min_size=1, max_size=5))
def test_several_batches_together_are_their_sums_and_their_worst_freshness(made: list[BatchFigures]) -> None:
    whole = together(made)
    assert (whole.read, whole.batches, whole.at) == (
        sum(m.read for m in made),
        sum(m.batches for m in made),
        made[-1].at,
    )
    assert whole.rejected == sum(m.rejected for m in made)
    assert whole.lag_ms == made[-1].lag_ms
    worst = [m.freshness.p99_seconds for m in made if m.freshness]
    assert (whole.freshness.p99_seconds if whole.freshness else None) == max(worst, default=None)
    assert (whole.files is None) == all(m.files is None for m in made)
    assert sum(whole.seconds.values()) == pytest.approx(sum(sum(m.seconds.values()) for m in made))


def test_figures_beside_a_table_come_back_in_their_order_also_once_they_are_rolled_up(tmp_path: Path) -> None:
    moment = datetime.fromtimestamp(COMMITTED_MS / 1000, UTC)
    made = [BatchFigures(batch_id=f"backfill-1-{number}", at=moment, read=number) for number in range(120)]
    # Two processes, the second with a clock that was set back.
    for clock, part in ((COMMITTED_MS / 1000, made[:70]), (1.0, made[70:])):
        folder = FigureFolder(str(tmp_path / "t"), "figures", clock=partial(float, clock))
        for each in part:
            folder.append(each)
    assert list(FigureFolder(str(tmp_path / "t"), "figures").entries()) == made
    assert len(list((tmp_path / "t" / "figures").iterdir())) == 21
