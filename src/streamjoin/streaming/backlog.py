"""How much of a backlog a job has read since it began."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streamjoin.metrics.metric import Measure
from streamjoin.metrics.names import LAG_SECONDS
from streamjoin.progress import Tell


@dataclass
class Backlog:
    """Tells it in seconds of the stream: from where it stood after the first batch to the present, which goes on.

    Args:
        tell: Takes it.
        clock: Seconds that never go back.
    """

    tell: Tell
    clock: Callable[[], float] = time.monotonic
    _began: float | None = field(default=None, init=False)

    def took(self, measures: Iterable[Measure], records: int) -> None:
        """Tell it after a batch; of a source that is never behind, or doesn't say so, the records so far.

        Args:
            measures: The batch's numbers.
            records: All that this run has read.
        """
        lag = next((each.value for each in measures if each.metric is LAG_SECONDS), 0.0)
        if not lag and self._began is None:
            self.tell(records, None, "records")
            return
        now = self.clock()
        self._began = now - lag if self._began is None else self._began
        self.tell(now - lag - self._began, now - self._began, f"seconds of the backlog, {records:,} records")
