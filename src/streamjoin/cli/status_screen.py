"""The overview of a job on a terminal, from 80 columns on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from streamjoin.history.figures import BatchFigures, Freshness
from streamjoin.overview.overview import WINDOWS, Overview, ShardView, by_stage, trouble_of, work_seconds
from streamjoin.overview.state import MARKS, MOST_LAG_MS, State, ago, duration, lag_text

_COLOURS: Final = {
    **dict.fromkeys((State.NEVER_STARTED, State.STOPPED), "bright_black"),
    **dict.fromkeys((State.RUNNING, State.DONE), "green"),
    State.STARTING: "cyan",
    State.STALE: "yellow",
    State.DIED: "red",
}
_BARS: Final = "▁▂▃▄▅▆▇█"
_MOST_SHARDS: Final = 6
_FEWEST_SHARDS: Final = 2
_MOST_TABLES: Final = 8
# A lower terminal has no room for so many shards.
_TALL: Final = 34
_FEWEST_COMMITS: Final = 3
# What stands above the commits, in lines.
_OTHER_LINES: Final = 30
# That of a batch of a stream; longer ones name a place, which stands elsewhere.
_ID_WIDTH: Final = 12
_WIDE: Final = 110
_NONE: Final = "-"
_LABEL_WIDTH: Final = 13
_DIM: Final = "bright_black"


def screen(overview: Overview, width: int, height: int = 40) -> Group:
    """Return what a terminal of this size shows of a job."""
    state = overview.state.state
    head = Table.grid(expand=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    name = Text.assemble((overview.job, "bold"), ("  " + overview.kind, _DIM))
    head.add_row(name, Text(f"{MARKS[state]} {state}", style=f"bold {_COLOURS[state]}"))
    parts: list[RenderableType] = [head, Text(overview.state.detail, style=_DIM), _facts(overview)]
    if overview.shards:
        beside = "" if overview.kind == "replicate" else _counted_shards(overview.shards)
        parts += [_heading("Position and lag", beside), _shards(overview, width, height)]
    if overview.newest is not None and overview.newest.references:
        parts += [_heading("References", "as of the newest commit"), _references(overview)]
    if overview.batches:
        total = "minutes" if overview.kind == "replicate" else "commits"
        parts += [_heading(f"Last {total}", "times are UTC"), _commits(overview, width, height)]
    if overview.trouble is not None:
        parts += ["", Text(f"As of {_time(overview.now, overview.now)} UTC. {overview.trouble}", style="red")]
    return Group(*parts)


def _heading(title: str, beside: str) -> Rule:
    return Rule(Text.assemble((title, "bold"), (f"  {beside}", _DIM)), align="left", style=_DIM)


def _facts(overview: Overview) -> Table:
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style=_DIM, width=_LABEL_WIDTH, no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in {**overview.where, **overview.details}.items():
        facts.add_row(name, escape(f"{value:,}" if isinstance(value, int) else str(value)))
    whole, newest = overview.sum_lately(), overview.newest
    if newest is None or whole is None:
        return facts
    rates = "   ".join(f"{name} {_rate(overview.rate(seconds))}" for name, seconds in WINDOWS.items())
    facts.add_row("records/s", Text.assemble(rates, ("   " + _sparkline(overview.batches), "cyan")))
    for label, figures in (("freshness", newest), ("worst, 15 min", whole)):
        if figures.freshness is not None:
            facts.add_row(label, _freshness(figures.freshness))
    facts.add_row("stages", _stages(whole))
    if whole.services:
        facts.add_row("services", _services(whole))
    if whole.tables:
        facts.add_row("rows, 15 min", escape(_rows(whole.tables)))
    letters = " · ".join(f"{reason} {number:,}" for reason, number in overview.letters.items())
    colour = "yellow" if overview.letters else _DIM
    facts.add_row("dead letters", Text(letters or "none", style=colour))
    if trouble := _trouble(whole):
        facts.add_row("trouble", Text(f"{trouble} in the last 15 min", style="yellow"))
    if newest.catalog_failures:
        said = f"failed {newest.catalog_failures:,} times in a row: {newest.catalog_error}"
        facts.add_row("catalog", Text(said, style="red"))
    return facts


def _freshness(fresh: Freshness) -> Text:
    found = Text()
    for name, seconds in (("p50", fresh.p50_seconds), ("p99", fresh.p99_seconds), ("max", fresh.max_seconds)):
        found.append(f"{name} ", style=_DIM).append(f"{duration(seconds)}   ")
    return found


def _stages(whole: BatchFigures) -> Text:
    found = Text()
    for stage, seconds in by_stage(whole.seconds).items():
        found.append(f"{stage.replace('_', ' ')} ", style=_DIM).append(f"{seconds / whole.batches:.2f}  ")
    return found.append("s a batch", style=_DIM)


def _services(whole: BatchFigures) -> Text:
    found = Text()
    for service, seconds in whole.services.items():
        found.append(f"{service.replace('.', ' ')} ", style=_DIM).append(f"{seconds:.1f}  ")
    return found.append("s in 15 min", style=_DIM)


def _rows(tables: Mapping[str, int]) -> str:
    greatest = sorted(tables.items(), key=lambda each: -each[1])
    said = [f"{name} {number:,}" for name, number in greatest[:_MOST_TABLES]]
    left = len(greatest) - len(said)
    return " · ".join([*said, f"{left:,} more"] if left else said)


def _trouble(whole: BatchFigures) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in trouble_of(whole).items() if number)


def _counted_shards(shards: Sequence[ShardView]) -> str:
    drained = sum(each.is_drained for each in shards)
    return f"{len(shards) - drained} open" + (f", {drained} read to their end" if drained else "")


def _shards(overview: Overview, width: int, height: int) -> RenderableType:
    table = _table(left=("shard", "position"), columns=("shard", "lag", "asked", "last record", "position"))
    is_wide = width >= _WIDE
    most = _MOST_SHARDS if height >= _TALL else _FEWEST_SHARDS
    shown = [each for each in overview.shards if not each.is_drained][:most]
    for each in shown:
        table.add_row(
            _short(each.shard, 40 if is_wide else 20),
            _lag(each.lag_ms),
            _since(each.as_of, overview.now),
            _since(each.arrived_at, overview.now),
            _short(each.position, 50 if is_wide else 22),
        )
    left = sum(not each.is_drained for each in overview.shards) - len(shown)
    if left > 0:
        return Group(table, Text(f"and {left:,} more, none of them further behind", style=_DIM))
    return table


def _references(overview: Overview) -> Table:
    table = _table(left=("reference",), columns=("reference", "version", "age", "matched", "failures"))
    newest, whole = overview.newest, overview.sum_lately()
    assert newest is not None and whole is not None  # noqa: S101  (there are references)
    for name, each in newest.references.items():
        matched, unmatched = whole.matched.get(name, 0), whole.unmatched.get(name, 0)
        share = f"{matched / (matched + unmatched):.1%}" if matched + unmatched else _NONE
        age = _NONE if each.age_seconds is None else duration(max(0.0, each.age_seconds))
        failures = Text(f"{each.failures}", style="yellow" if each.failures else "")
        table.add_row(escape(name), f"{each.version:,}", age, share, failures)
    return table


def _commits(overview: Overview, width: int, height: int) -> Table:
    columns = ["at", "what", "read", "kept", "rejected", "fresh p99", "lag", "seconds"]
    if width >= _WIDE:
        columns[4:4] = ["superseded"]
        columns += ["bytes", "files"]
    rows = [_cells(each, overview.now) for each in overview.batches[-max(_FEWEST_COMMITS, height - _OTHER_LINES) :]]
    # A backfill has no lag, a replication no files.
    columns = [name for name in columns if any(str(cells[name]) != _NONE for cells in rows)]
    table = _table(left=("at", "what"), columns=columns)
    for cells in reversed(rows):
        table.add_row(*(cells[name] for name in columns))
    return table


def _cells(figures: BatchFigures, now: datetime) -> dict[str, str | Text]:
    files, fresh = figures.files, figures.freshness
    return {
        "at": _time(figures.at, now),
        "what": figures.batch_id if figures.kind == "batch" and len(figures.batch_id) <= _ID_WIDTH else figures.kind,
        "read": f"{figures.read:,}",
        "kept": f"{figures.kept + figures.rewritten:,}",
        "superseded": f"{figures.superseded:,}",
        "rejected": Text(f"{figures.rejected:,}", style="yellow" if figures.rejected else ""),
        "fresh p99": _NONE if fresh is None else duration(fresh.p99_seconds),
        "lag": _lag(max(figures.lag_ms.values(), default=None)),
        "seconds": f"{work_seconds(figures):.2f}",
        "bytes": _bytes(figures.bytes),
        "files": _NONE if files is None else f"{files.count} of {_bytes(files.bytes)}",
    }


def _table(*, columns: Sequence[str], left: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=_DIM, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return table


def _sparkline(batches: Sequence[BatchFigures]) -> str:
    """Return the records of the newest batches as bars."""
    numbers = [each.read for each in batches[-20:]]
    most = max(numbers, default=0)
    return "".join(_BARS[number * (len(_BARS) - 1) // most] for number in numbers) if most else ""


def _short(text: str, most: int) -> str:
    """Return a text whose end tells it from others, shortened in its middle."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def _lag(lag_ms: int | None) -> Text:
    if lag_ms is None:
        return Text(_NONE, style=_DIM)
    return Text(lag_text(lag_ms), style="yellow" if lag_ms > MOST_LAG_MS else "")


def _since(moment: datetime | None, now: datetime) -> str:
    return _NONE if moment is None else ago(max(0.0, (now - moment).total_seconds()))


def _time(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%m-%d %H:%M}"


def _rate(rate: float | None) -> str:
    return _NONE if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError
