"""The metrics of a batch whose figures are all that is known of it."""

from collections.abc import Iterator

from streamjoin.history.figures import BatchFigures
from streamjoin.metrics import names as m
from streamjoin.metrics.metric import Measure
from streamjoin.streaming.metrics import file_measures, freshness_measures


def measures_of(figures: BatchFigures) -> Iterator[Measure]:
    """Yield the numbers of one batch, as of a job without references."""
    yield Measure(m.RECORDS_READ, figures.read)
    yield Measure(m.ROWS_OUT, figures.kept)
    yield Measure(m.RECORDS_SUPERSEDED, figures.superseded)
    yield Measure(m.RECORDS_REJECTED, figures.rejected)
    if figures.removed:
        yield Measure(m.ROWS_REMOVED, figures.removed)
    if figures.ignored:
        yield Measure(m.RECORDS_IGNORED, figures.ignored)
    for reason, number in sorted(figures.rejected_by_reason.items()):
        yield Measure(m.REJECTED_BY_REASON, number, (reason,))
    if figures.lag_ms:
        yield Measure(m.LAG_SECONDS, max(figures.lag_ms.values()) / 1000)
    yield Measure(m.BATCH_SECONDS, sum(figures.seconds.values()))
    for stage, seconds in figures.seconds.items():
        yield Measure(m.STAGE_SECONDS, seconds, (stage,))
    yield from freshness_measures(figures.freshness)
    yield Measure(m.BYTES_READ, figures.bytes)
    yield Measure(m.COMMITS, figures.batches)
    if figures.files is not None:
        yield from file_measures(figures.files)
    if retries := figures.meanwhile.get(m.RETRIES.name, 0):
        yield Measure(m.RETRIES, retries)
