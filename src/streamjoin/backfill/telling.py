"""What a backfill tells machines: numbers of its commits and of its reading, as metrics and beside the table."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from streamjoin.backfill.report import ScanTotals
from streamjoin.errors import SinkError
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.history.figures import BatchFigures
from streamjoin.metrics import names as m
from streamjoin.metrics.metric import Measure, by_key
from streamjoin.progress import Tell, tell_nobody
from streamjoin.streaming.figure_measures import measures_of

log = logging.getLogger(__name__)

FIGURES_PLACE: Final = ".hoodie/.streamjoin/backfill_figures"
"""Where the figures of a table's backfills are, below its base path."""


def _nowhere(measures: Sequence[Measure]) -> None:
    del measures


@dataclass
class Telling:
    """Tells the numbers of one backfill.

    Delivery: what can't be kept beside the table is said in the log, and nothing fails for it.

    Args:
        source: What is read, as metrics call it.
        figures: Where the numbers are kept; None: nowhere.
        tell: Takes the numbers of each batch.
        progress: Takes how far it is.
    """

    source: str
    figures: FigureFolder | None = None
    tell: Callable[[Sequence[Measure]], None] = _nowhere
    progress: Tell = tell_nobody
    _meanwhile: Counter[str] = field(default_factory=Counter, init=False)
    _first: ScanTotals = field(default_factory=ScanTotals, init=False)
    _told: ScanTotals = field(default_factory=ScanTotals, init=False)

    def retried(self) -> None:
        """Count a retry, which the next batch tells."""
        self._meanwhile["retries"] += 1

    def done(self, figures: BatchFigures) -> dict[str, float]:
        """Tell a batch; return its numbers for the log."""
        whole = replace(figures, meanwhile=dict(self._meanwhile))
        self._meanwhile.clear()
        self._keep(whole)
        measures = list(measures_of(whole))
        self.tell(measures)
        return by_key(measures)

    def begin(self, before: ScanTotals) -> None:
        """Begin with the reading: what was read before isn't told again."""
        self._first = self._told = before

    def scanned(self, totals: ScanTotals) -> None:
        """Tell how far the reading is: what was read since this was called before."""
        before, self._told = self._told, totals
        self.tell(
            [
                Measure(m.ITEMS_SCANNED, totals.scanned - before.scanned),
                Measure(m.READ_UNITS, totals.read_units - before.read_units, (self.source,)),
            ]
        )

    def read(self, backfill_id: str, seconds: float) -> None:
        """Keep what the reading of this process came to."""
        figures = BatchFigures(
            batch_id=f"scan-{backfill_id}",
            at=datetime.now(UTC),
            read=self._told.scanned - self._first.scanned,
            bytes=self._told.scanned_bytes - self._first.scanned_bytes,
            read_units=self._told.read_units - self._first.read_units,
            seconds={"fetch": seconds},
        )
        self._keep(figures)

    def _keep(self, figures: BatchFigures) -> None:
        if self.figures is None:
            return
        try:
            self.figures.append(figures)
        except SinkError as error:
            log.warning("figures of batch '%s' are lost: %s", figures.batch_id, error)
