"""Figures as JSON, of jobs whose history is no ledger; and those of several batches as those of one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from streamjoin.history.figures import BatchFigures, Files, Freshness

_DIGITS: Final = 3
_COUNTS: Final = ("read", "kept", "superseded", "removed", "rewritten", "bytes", "ignored", "read_units", "batches")
_COUNTS_BY_NAME: Final = ("rejected_by_reason", "redriven_by_reason", "matched", "unmatched", "meanwhile", "tables")
_SECONDS_BY_NAME: Final = ("seconds", "services")


def to_values(figures: BatchFigures) -> dict[str, Any]:
    """Return figures as JSON values, without what is nothing; those of references have no such form."""
    # Not `asdict`, which makes nonsense of a Counter.
    values: dict[str, Any] = {each.name: getattr(figures, each.name) for each in fields(figures)}
    values |= {"at": round(figures.at.timestamp() * 1000), "references": None}
    for key in ("freshness", "files"):
        values[key] = values[key] and [_rounded(each) for each in asdict(values[key]).values()]
    for key in _SECONDS_BY_NAME:
        values[key] = {name: _rounded(each) for name, each in values[key].items()}
    return {key: value for key, value in values.items() if value}


def from_values(values: Mapping[str, Any]) -> BatchFigures:
    """Read what `to_values` gave; what a later version adds is passed over."""
    known = {each.name for each in fields(BatchFigures)}
    found = {key: value for key, value in values.items() if key in known}
    found["at"] = datetime.fromtimestamp(values["at"] / 1000, UTC)
    if "freshness" in values:
        found["freshness"] = Freshness(*values["freshness"])
    if "files" in values:
        found["files"] = Files(*values["files"])
    return BatchFigures(**found)


def together(several: Sequence[BatchFigures]) -> BatchFigures:
    """Return the figures of several batches as those of one: sums, and the worst freshness; lag is the last one's.

    Args:
        several: At least one, the oldest first.
    """
    last = several[-1]
    fresh = [each.freshness for each in several if each.freshness is not None]
    files = [each.files for each in several if each.files is not None]
    sums: dict[str, Any] = {name: sum(getattr(each, name) for each in several) for name in _COUNTS}
    for name in (*_COUNTS_BY_NAME, *_SECONDS_BY_NAME):
        added = Counter[str]()
        for each in several:
            added.update(getattr(each, name))
        sums[name] = dict(added)
    return BatchFigures(
        batch_id=last.batch_id,
        at=last.at,
        lag_ms=last.lag_ms,
        catalog_failures=last.catalog_failures,
        catalog_error=last.catalog_error,
        references=last.references,
        freshness=Freshness(
            max(each.p50_seconds for each in fresh),
            max(each.p99_seconds for each in fresh),
            max(each.max_seconds for each in fresh),
        )
        if fresh
        else None,
        files=Files.together(files) if files else None,
        **sums,
    )


def _rounded(number: float) -> float:
    return number if isinstance(number, int) else round(number, _DIGITS)
