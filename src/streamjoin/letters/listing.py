"""Dead letters as a person looks at them: which, how many, why. Without Spark.

A dead letter is a record that could not become a row. `letters/table.py` writes them, `enrich/redrive.py` feeds
them in again.
"""

import base64
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamjoin.errors import ConfigError, RejectReason
from streamjoin.letters.columns import ARRIVED, DETAIL, ID_COLUMN, REASON, has_commit
from streamjoin.moments import in_utc
from streamjoin.query import read_table
from streamjoin.schema.columns import SEQUENCE_NUMBER_DIGITS

DEFAULT_LIMIT = 100
_NUMBER, _SUB = "sequence_number", "sub_sequence_number"
_READ = [ID_COLUMN, "shard_id", _NUMBER, _SUB, ARRIVED, REASON, DETAIL]
_BASE64 = "base64:"


@dataclass(frozen=True)
class LetterFilter:
    """Which dead letters are meant; `of` makes one and checks it.

    Args:
        reasons: Those that have one of these reasons; none: whatever the reason.
        since: Those whose records arrived then or later.
        until: Those whose records arrived before.
    """

    reasons: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(
        cls, reasons: Iterable[str] = (), since: datetime | None = None, until: datetime | None = None
    ) -> "LetterFilter":
        """Return the filter; a time without a zone is UTC.

        Raises:
            ConfigError: A reason is unknown, or no time lies between the two.
        """
        wanted, known = tuple(dict.fromkeys(reasons)), [reason.value for reason in RejectReason]
        since, until = (None if when is None else in_utc(when) for when in (since, until))
        problems = [f"reason: found '{each}'; allowed: {', '.join(known)}" for each in wanted if each not in known]
        if since is not None and until is not None and since >= until:
            problems.append(f"until: found {until.isoformat()}; allowed: a time after since, {since.isoformat()}")
        if problems:
            raise ConfigError(problems, where="dead letters")
        return cls(wanted, since, until)

    def choose(self, letters: pa.Table) -> pa.Table:
        """Return those of `letters` that are meant."""
        chosen = pc.scalar(True)
        if self.reasons:
            chosen = chosen & pc.field(REASON).isin(list(self.reasons))
        if self.since is not None:
            chosen = chosen & (pc.field(ARRIVED) >= pa.scalar(self.since, letters.schema.field(ARRIVED).type))
        if self.until is not None:
            chosen = chosen & (pc.field(ARRIVED) < pa.scalar(self.until, letters.schema.field(ARRIVED).type))
        return letters.filter(chosen)


def list_letters(
    base_path: str, letters: LetterFilter | None = None, *, limit: int = DEFAULT_LIMIT, show_data: bool = False
) -> pa.Table:
    """Read the newest dead letters of a job, the newest first; a job that has none yet has an empty list.

    Columns out: `arrived` (UTC), `reason`, `detail`, `shard_id`, `sequence_number` (of an aggregated record with
        `/<place in it>`, as rows have it), `data_bytes`; with `show_data` also `data`: the text, or `base64:…` if
        the bytes aren't UTF-8.

    Args:
        base_path: Where the dead letters are.
        letters: Which; default: all.
        limit: How many at most.
        show_data: Whether to show what the records hold.

    Raises:
        SinkError: The table can't be read.
    """
    found = _read(base_path, _READ, letters or LetterFilter())
    found = found.append_column("place", pc.utf8_lpad(found[_NUMBER], SEQUENCE_NUMBER_DIGITS, "0"))
    newest = found.sort_by(
        [(ARRIVED, "descending"), ("shard_id", "ascending"), ("place", "descending"), (_SUB, "descending")]
    ).slice(0, limit)
    data = _data_of(base_path, newest[ID_COLUMN])
    places = zip(newest[_NUMBER].to_pylist(), newest[_SUB].to_pylist(), strict=True)
    shown: dict[str, Any] = {
        "arrived": newest[ARRIVED],
        **{name: newest[name] for name in (REASON, DETAIL, "shard_id")},
        _NUMBER: pa.array([f"{number}/{sub}" if sub else number for number, sub in places], pa.string()),
        "data_bytes": pa.array([None if each is None else len(each) for each in data], pa.int64()),
    }
    if show_data:
        shown["data"] = pa.array([None if each is None else _as_text(each) for each in data], pa.string())
    return pa.table(shown)


def count_by_reason(base_path: str, letters: LetterFilter | None = None) -> dict[str, int]:
    """Count a job's dead letters by reason, the most frequent first.

    Args:
        base_path: Where the dead letters are.
        letters: Which; default: all.

    Raises:
        SinkError: The table can't be read.
    """
    found = _read(base_path, [REASON, ARRIVED], letters or LetterFilter())
    return dict(Counter(map(str, found[REASON].to_pylist())).most_common())


def _read(base_path: str, columns: list[str], letters: LetterFilter) -> pa.Table:
    if has_commit(base_path):
        return letters.choose(read_table(base_path, columns))
    times = {ARRIVED: pa.timestamp("us", "UTC"), _SUB: pa.int64()}
    return pa.schema([(name, times.get(name, pa.string())) for name in columns]).empty_table()


def _data_of(base_path: str, ids: "pa.ChunkedArray[Any]") -> list[bytes | None]:
    """Return the data of the letters, in the order of `ids`."""
    if not len(ids):
        return []
    # Read apart from the rest: most of it is not shown.
    found = read_table(base_path, [ID_COLUMN, "data"])
    data: list[bytes | None] = found["data"].take(pc.index_in(ids, found[ID_COLUMN])).to_pylist()
    return data


def _as_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _BASE64 + base64.b64encode(data).decode()
