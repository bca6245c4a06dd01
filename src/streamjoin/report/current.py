"""Tables of how a job is: its shards, its references, its last commits."""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element

from streamjoin.history.figures import BatchFigures
from streamjoin.overview.overview import Overview, work_seconds
from streamjoin.overview.state import duration, lag_text
from streamjoin.rendering import counted
from streamjoin.report.markup import node
from streamjoin.report.scales import bytes_text
from streamjoin.report.tables import folded, time_text

_MOST_SHARDS: Final = 100
_MOST_COMMITS: Final = 50
_NONE: Final = "-"


def as_it_is(overview: Overview) -> list[Element]:
    """Return what `status` shows of a job, folded away; nothing if there is nothing of it."""
    tables = [*_shards(overview), *_references(overview), *_commits(overview)]
    return [node("h2", "As it is now"), node("div", *tables, class_="card")] if tables else []


def _shards(overview: Overview) -> Iterator[Element]:
    open_ones = [each for each in overview.shards if not each.is_drained]
    if not open_ones:
        return
    rows = [
        [
            each.shard,
            _lag(each.lag_ms),
            _NONE if each.as_of is None else time_text(each.as_of),
            _NONE if each.arrived_at is None else time_text(each.arrived_at),
            each.position,
        ]
        for each in open_ones[:_MOST_SHARDS]
    ]
    drained = len(overview.shards) - len(open_ones)
    ended = f", {drained:,} read to their end" if drained else ""
    left = f", the {_MOST_SHARDS} furthest behind" if len(open_ones) > _MOST_SHARDS else ""
    summary = f"Position and lag: {counted(len(open_ones), 'open shard')}{ended}{left}"
    yield folded(summary, ["shard", "lag", "asked", "last record", "position"], rows)


def _references(overview: Overview) -> Iterator[Element]:
    references = overview.newest.references if overview.newest is not None else {}
    if references:
        rows = [
            [name, f"{each.version:,}", _length(each.age_seconds), f"{each.failures:,}"]
            for name, each in references.items()
        ]
        head = ["reference", "version", "age", "failed refreshes in a row"]
        yield folded(f"References of the newest commit: {len(rows):,}", head, rows)


def _commits(overview: Overview) -> Iterator[Element]:
    rows = [_cells(each) for each in reversed(overview.batches[-_MOST_COMMITS:])]
    if rows:
        # A backfill has no lag, a replication no files.
        head = [name for name in rows[0] if any(row[name] != _NONE for row in rows)]
        what = "minute" if overview.kind == "replicate" else "commit"
        yield folded(f"Last {counted(len(rows), what)}", head, [[row[name] for name in head] for row in rows])


def _cells(figures: BatchFigures) -> dict[str, str]:
    files, fresh = figures.files, figures.freshness
    return {
        "UTC": time_text(figures.at),
        "what": figures.batch_id if figures.kind == "batch" else figures.kind,
        "read": f"{figures.read:,}",
        "kept": f"{figures.kept + figures.rewritten:,}",
        "superseded": f"{figures.superseded:,}",
        "rejected": f"{figures.rejected:,}",
        "fresh p99": _length(None if fresh is None else fresh.p99_seconds),
        "lag": _lag(max(figures.lag_ms.values(), default=None)),
        "seconds": f"{work_seconds(figures):.2f}",
        "bytes": bytes_text(figures.bytes),
        "files": _NONE if files is None else f"{files.count:,} of {bytes_text(files.bytes)}",
    }


def _length(seconds: float | None) -> str:
    return _NONE if seconds is None else duration(max(0.0, seconds))


def _lag(lag_ms: int | None) -> str:
    return _NONE if lag_ms is None else lag_text(max(0, lag_ms))
