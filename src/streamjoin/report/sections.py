"""Which plots a job has, and what of its history each of them shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from streamjoin.history.figures import BatchFigures
from streamjoin.overview.overview import by_stage, trouble_of
from streamjoin.report.plots import Form, Plot
from streamjoin.report.points import History, Point
from streamjoin.report.scales import BYTES, COUNT, PERCENT, RATE, SECONDS, Unit

_UNITS: Final = {"backfill": "items", "replicate": "changes"}
_LINES_OUT: Final = {"replicate": "items put or deleted"}
_FRESH: Final = {
    "replicate": "From the commit in MySQL to the item in DynamoDB.",
}
_NO_LAG: Final = {"backfill": "A backfill reads what is there: it has no lag."}
_NO_FRESHNESS: Final = {"backfill": "Items have no time at which they arrived: a backfill has no freshness."}


def plots_of(kind: str, history: History) -> Iterator[Plot]:
    """Yield the plots of a job.

    Args:
        kind: What `job:` says.
        history: What it has done.
    """
    points = history.points
    behind = "binlog" if kind == "replicate" else "slowest shard"
    yield _throughput(kind, points)
    yield Plot(
        title="Lag",
        about=f"How far the {behind} was behind when it had been read.",
        unit=SECONDS,
        lines={behind: [each.lag_seconds for each in points]},
        nothing=_NO_LAG.get(kind, "No commit says how far it was behind."),
    )
    fresh = [each.figures.freshness for each in points]
    yield Plot(
        title="Freshness",
        about=_FRESH.get(kind, "From the arrival of a record in the stream to its commit."),
        unit=SECONDS,
        lines={
            name: [None if each is None else getattr(each, f"{name}_seconds") for each in fresh]
            for name in ("p50", "p99", "max")
        },
        nothing=_NO_FRESHNESS.get(kind, "No commit says when its records had arrived."),
        is_log=True,
    )
    stages = _by_name(
        points,
        _stages,
        title="Seconds by stage",
        about="Of a batch, on average." + ("" if kind == "backfill" else " fetch runs beside the batch before it."),
        unit=SECONDS,
        form=Form.AREAS,
        nothing="No commit says how long its stages took.",
    )
    yield replace(stages, lines={name.replace("_", " "): values for name, values in stages.lines.items()})
    yield _dead_letters(history)
    if kind == "enrich":
        yield from _references(points)
    if kind == "capture":
        yield _by_name(
            points,
            lambda each: each.tables,
            title="Rows by table",
            about="Upserted or deleted, by DynamoDB table.",
            unit=COUNT,
            form=Form.BARS,
            nothing="No rows were written.",
        )
    if kind != "replicate":
        yield _written(points)
    if kind in ("enrich", "capture"):
        yield _by_name(
            points,
            lambda each: {name.replace(".", " "): seconds for name, seconds in each.services.items()},
            title="Table services",
            about="Compaction, cleaning and the like: seconds since the commit before.",
            unit=SECONDS,
            form=Form.BARS,
            nothing="No table service ran.",
        )
    yield _trouble(points)


def _throughput(kind: str, points: Sequence[Point]) -> Plot:
    what = _UNITS.get(kind, "records")
    return Plot(
        title="Throughput",
        about=f"{what.capitalize()} a second, while the job ran.",
        unit=RATE,
        lines={
            f"{what} read": [each.rate(each.figures.read) for each in points],
            _LINES_OUT.get(kind, "rows upserted or deleted"): [
                each.rate(each.figures.kept + each.figures.rewritten) for each in points
            ],
        },
        nothing="No commit says how long it took.",
    )


def _stages(figures: BatchFigures) -> Mapping[str, float] | None:
    return {stage: each / figures.batches for stage, each in figures.seconds.items()} or None


def _dead_letters(history: History) -> Plot:
    whole = history.whole()
    total = whole.rejected if whole else 0
    redriven = sum(whole.redriven_by_reason.values()) if whole else 0
    taken_back = f" Of all, {redriven:,} re-driven." if redriven else ""
    return _by_name(
        history.points,
        lambda each: each.rejected_by_reason,
        title="Dead letters by reason",
        about=f"{total:,} in this time.{taken_back}",
        unit=COUNT,
        form=Form.BARS,
        nothing="No record was rejected.",
    )


def _references(points: Sequence[Point]) -> Iterator[Plot]:
    names = list(dict.fromkeys(name for each in points for name in each.figures.references))
    versions = {name: [each.figures.references.get(name) for each in points] for name in names}
    first = {name: next(each.version for each in found if each is not None) for name, found in versions.items()}
    none = "No commit here was joined with a reference."
    yield Plot(
        title="Reference changes",
        about="Versions since the first one here. One that is looked up has a version a batch.",
        unit=COUNT,
        lines={
            name: [None if each is None else float(each.version - first[name]) for each in versions[name]]
            for name in names
        },
        nothing=none,
        form=Form.STEPS,
    )
    yield Plot(
        title="Age of references",
        about="How long before the commit they were true of their table.",
        unit=SECONDS,
        lines={name: [None if each is None else each.age_seconds for each in versions[name]] for name in names},
        nothing=none,
    )
    yield Plot(
        title="Matched events",
        about="Share of the events kept that have a row in the reference.",
        unit=PERCENT,
        lines={name: [_share(each.figures, name) for each in points] for name in names},
        nothing=none,
    )


def _share(figures: BatchFigures, name: str) -> float | None:
    matched = figures.matched.get(name, 0)
    total = matched + figures.unmatched.get(name, 0)
    return 100 * matched / total if total else None


def _written(points: Sequence[Point]) -> Plot:
    files = [each.figures.files for each in points]
    return Plot(
        title="Sizes of files written",
        about="By the commits: the mean, and the largest.",
        unit=BYTES,
        lines={
            "mean": [each.bytes / each.count if each and each.count else None for each in files],
            "largest": [float(each.largest_bytes) if each and each.count else None for each in files],
        },
        nothing="No commit says which files it wrote.",
    )


def _trouble(points: Sequence[Point]) -> Plot:
    return _by_name(
        points,
        lambda each: {**trouble_of(each), "failures of the catalog": each.catalog_failures},
        title="Trouble",
        about="Retries, and failures in a row as they stood at a commit.",
        unit=COUNT,
        form=Form.BARS,
        nothing="No retry, no failed refresh of a reference, no failure of the catalog.",
    )


def _by_name(
    points: Sequence[Point],
    of: Callable[[BatchFigures], Mapping[str, float] | None],
    *,
    title: str,
    about: str,
    unit: Unit,
    form: Form,
    nothing: str,
) -> Plot:
    """Return a plot of values that have names: of a point that lacks one it is 0, and None of a point without any."""
    found = [of(each.figures) for each in points]
    names = by_stage(dict.fromkeys((name for each in found for name in each or {}), 0.0))
    lines = {name: [None if each is None else each.get(name, 0.0) for each in found] for name in names}
    return Plot(title=title, about=about, unit=unit, lines=lines, nothing=nothing, form=form)
