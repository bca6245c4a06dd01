"""The page: how the job is, what it has done, and the numbers of both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from xml.etree.ElementTree import Element

from streamjoin.history.figures import BatchFigures
from streamjoin.overview.overview import WINDOWS, Overview
from streamjoin.overview.state import MARKS, MOST_LAG_MS, State, ago, duration, lag_text
from streamjoin.rendering import counted
from streamjoin.report.across import Across
from streamjoin.report.current import as_it_is
from streamjoin.report.file_sizes import TableSizes, sizes_figure
from streamjoin.report.markup import document, node
from streamjoin.report.plots import drawn
from streamjoin.report.points import History
from streamjoin.report.scales import count_text
from streamjoin.report.sections import plots_of
from streamjoin.report.tables import time_text

_COLOURS: Final = {
    **dict.fromkeys((State.NEVER_STARTED, State.STOPPED), "soft"),
    **dict.fromkeys((State.STARTING, State.RUNNING, State.DONE), "good"),
    State.STALE: "warn",
    State.DIED: "bad",
}
_MOST_REASONS: Final = 3
_LETTERS_OF: Final = {"replicate": "of two hours", "backfill": "of the newest backfill"}


def page(overview: Overview, history: History, tables: Sequence[TableSizes] | None, since: datetime | None) -> bytes:
    """Return the page of a job.

    Args:
        overview: How it is.
        history: What it has done, since a time or ever.
        tables: Files of its tables; None: it writes no Hudi table.
        since: From when on `history` is, if not all of it.
    """
    title = f"{overview.job}: {overview.state.state}"
    return document(
        f"{title} - streamjoin",
        node("header", *_head(overview)),
        node(
            "main",
            *_alerts(overview),
            _tiles(overview),
            _facts(overview, history, since),
            *_plots(overview, history, tables, since),
            *as_it_is(overview),
        ),
    )


def _head(overview: Overview) -> list[Element]:
    state = overview.state.state
    return [
        node(
            "div",
            node("h1", overview.job),
            node("span", overview.kind, class_="soft"),
            node("span", f"{MARKS[state]} {state}", class_=f"state {_COLOURS[state]}"),
            class_="head",
        ),
        node("p", overview.state.detail),
        node("p", f"As of {time_text(overview.now)} UTC. All times are UTC.", class_="soft"),
    ]


def _alerts(overview: Overview) -> list[Element]:
    said, newest = [], overview.newest
    if newest is not None and newest.catalog_failures:
        said.append(f"The catalog failed {newest.catalog_failures:,} times in a row: {newest.catalog_error}")
    for name, each in (newest.references if newest else {}).items():
        if each.failures:
            said.append(f"The last {each.failures:,} refreshes of reference '{name}' failed.")
    if overview.lag_ms is not None and overview.lag_ms > MOST_LAG_MS:
        said.append(f"The slowest shard is {duration(overview.lag_ms / 1000)} behind.")
    return [node("div", *(node("p", each) for each in said), class_="alerts", role="note")] if said else []


def _tiles(overview: Overview) -> Element:
    newest, whole = overview.newest, overview.sum_lately()
    rates = {name: _rate(overview.rate(seconds)) for name, seconds in WINDOWS.items()}
    fresh = next((each.freshness for each in reversed(overview.batches) if each.freshness is not None), None)
    tiles = [
        _tile("Lag", "-", "not known")
        if overview.lag_ms is None
        else _tile(
            "Lag",
            lag_text(overview.lag_ms),
            "of the slowest, when it had been read",
            "warn" if overview.lag_ms > MOST_LAG_MS else None,
        ),
        _tile("Last commit", "-", "none yet")
        if newest is None
        else _tile("Last commit", f"{newest.at:%H:%M:%S}", f"{newest.at:%Y-%m-%d}, {_age(overview, newest)}"),
        _tile("Freshness p99", "-", "not known")
        if fresh is None
        else _tile(
            "Freshness p99",
            duration(fresh.p99_seconds),
            f"p50 {duration(fresh.p50_seconds)}, max {duration(fresh.max_seconds)}"
            + (f"; worst p99 of 15 min {duration(whole.freshness.p99_seconds)}" if whole and whole.freshness else ""),
        ),
        _tile(
            "Records a second",
            rates["5m"],
            "not known" if newest is None else f"in 5 min; 1 min {rates['1m']}, 15 min {rates['15m']}",
        ),
        _letters(overview),
    ]
    return node("dl", *tiles, class_="tiles")


def _tile(name: str, value: str, beside: str, colour: str | None = None) -> Element:
    return node("div", node("dt", name), node("dd", node("b", value, class_=colour), node("small", beside)))


def _letters(overview: Overview) -> Element:
    total, reasons = sum(overview.letters.values()), list(overview.letters.items())
    said = ", ".join(f"{reason} {number:,}" for reason, number in reasons[:_MOST_REASONS])
    more = f", and {len(reasons) - _MOST_REASONS} more reasons" if len(reasons) > _MOST_REASONS else ""
    beside = ", ".join(filter(None, [f"{said}{more}" or "none", _LETTERS_OF.get(overview.kind, "")]))
    return _tile("Dead letters", f"{total:,}", beside, "warn" if total else None)


def _age(overview: Overview, figures: BatchFigures) -> str:
    return ago(max(0.0, (overview.now - figures.at).total_seconds()))


def _rate(rate: float | None) -> str:
    return "-" if rate is None else count_text(rate)


def _facts(overview: Overview, history: History, since: datetime | None) -> Element:
    facts: dict[str, Any] = {**overview.where, **overview.details, "lock": _lock(overview)}
    if history.points:
        first, last = history.points[0].since, history.points[-1].at
        facts["shown"] = f"{counted(history.batches, 'commit')} from {time_text(first)} to {time_text(last)}"
    if since is not None:
        facts["asked for"] = f"all since {time_text(since)}"
    if history.width_seconds:
        facts["a point"] = (
            f"stands for {duration(history.width_seconds)}: sums and means of its commits, the worst lag and freshness"
        )
    entries = ((name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in facts.items())
    return node("dl", *(each for name, value in entries for each in _entry(name, value)), class_="facts")


def _entry(name: str, value: str) -> tuple[Element, Element]:
    return node("dt", name), node("dd", value)


def _lock(overview: Overview) -> str:
    holder = overview.lock.holder
    return "free" if holder is None else f"held by '{holder.job}' on {holder.host}, process {holder.pid}"


def _plots(
    overview: Overview, history: History, tables: Sequence[TableSizes] | None, since: datetime | None
) -> list[Element]:
    files = [] if tables is None else [sizes_figure(tables)]
    if not history.points:
        said = "No commit yet, so there is nothing to be drawn." if since is None else "No commit in this time."
        return [node("p", said, class_="nothing"), *([node("div", *files, class_="plots")] if overview.batches else [])]
    silences = history.silences_until(overview.ends_at)
    across = Across.times([each.at for each in history.points], silences, overview.ends_at)
    figures = [drawn(each, across) for each in plots_of(overview.kind, history)]
    shaded = [node("p", "Shaded: no commit. The job was stopped, or nothing came.", class_="soft")]
    return [
        node("h2", "Over time"),
        *(shaded if silences else []),
        node("div", *figures, *files, class_="plots"),
    ]
