"""Which dead letters are meant, and what a redrive writes down before it acts; no table, no Spark."""

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import ConfigError, RejectReason
from streamjoin.letters.intents import Intents
from streamjoin.letters.listing import LetterFilter, count_by_reason, list_letters

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
REASONS = [reason.value for reason in RejectReason]


def test_a_job_without_dead_letters_has_an_empty_list_of_the_same_columns(tmp_path: Path) -> None:
    for show_data in (False, True):
        found = list_letters(str(tmp_path / "none"), show_data=show_data)
        assert found.num_rows == 0
        columns = ["arrived", "reason", "detail", "shard_id", "sequence_number", "data_bytes"]
        assert found.schema.names == columns + ["data"] * show_data
    assert count_by_reason(str(tmp_path / "none")) == {}


def test_a_table_whose_first_commit_never_happened_has_no_dead_letters(tmp_path: Path) -> None:
    (tmp_path / ".hoodie").mkdir()
    (tmp_path / ".hoodie" / "20260131.commit.requested").touch()
    assert list_letters(str(tmp_path)).num_rows == 0


def test_an_unknown_reason_and_an_empty_span_of_time_are_said_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        LetterFilter.of(["WRONG_TYPE", "WRONG"], NOON, NOON)
    first, second = raised.value.problems
    assert first == f"reason: found 'WRONG'; allowed: {', '.join(REASONS)}"
    assert second == "until: found 2026-01-31T12:00:00+00:00; allowed: a time after since, 2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    "when", [NOON.replace(tzinfo=None), NOON, NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))]
)
def test_times_are_utc_if_they_name_no_zone(when: datetime) -> None:
    chosen = LetterFilter.of([], when, when + timedelta(seconds=1))
    assert (chosen.since, chosen.until) == (NOON, NOON + timedelta(seconds=1))


moments = st.integers(0, 5).map(lambda n: NOON + timedelta(microseconds=n))


@given(
    st.lists(st.tuples(st.sampled_from(REASONS), st.none() | moments)),
    st.sets(st.sampled_from(REASONS)),
    st.none() | moments,
    st.none() | moments,
)
def test_a_filter_takes_what_has_the_reason_and_arrived_from_since_to_before_until(
    letters: list[tuple[str, datetime | None]],
    reasons: set[str],
    since: datetime | None,
    until: datetime | None,
) -> None:
    if since is not None and until is not None and since >= until:
        return
    table = pa.table(
        {
            "reason": pa.array([reason for reason, _ in letters], pa.string()),
            "approximate_arrival_timestamp": pa.array([at for _, at in letters], pa.timestamp("us", "UTC")),
        }
    )
    expected = [
        reason
        for reason, at in letters
        if (not reasons or reason in reasons)
        and (since is None or (at is not None and at >= since))
        and (until is None or (at is not None and at < until))
    ]
    assert LetterFilter.of(reasons, since, until).choose(table)["reason"].to_pylist() == expected


def test_an_intent_is_there_until_it_is_removed(tmp_path: Path) -> None:
    intents = Intents(str(tmp_path))
    assert intents.pending() == {}
    intents.write("redrive-b", ["s/shard-0/1/0", "é"])
    intents.write("redrive-a", [])
    assert intents.pending() == {"redrive-a": frozenset(), "redrive-b": frozenset({"s/shard-0/1/0", "é"})}
    content = gzip.decompress((tmp_path / ".hoodie" / ".streamjoin" / "redrive" / "redrive-b.json.gz").read_bytes())
    assert json.loads(content) == {"batch_id": "redrive-b", "letters": ["s/shard-0/1/0", "é"]}
    intents.remove("redrive-b")
    assert list(intents.pending()) == ["redrive-a"]


def test_an_intent_that_was_written_in_part_is_known_by_its_name_and_can_be_removed(tmp_path: Path) -> None:
    intents = Intents(str(tmp_path))
    intents.write("redrive-a", ["s/shard-0/1/0"])
    path = tmp_path / ".hoodie" / ".streamjoin" / "redrive" / "redrive-a.json.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert intents.pending() == {"redrive-a": None}
    intents.remove("redrive-a")
    assert intents.pending() == {}
