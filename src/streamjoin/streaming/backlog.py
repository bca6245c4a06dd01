"""How much of a backlog a job has read since it began."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamjoin.metrics.metric import Measure
from streamjoin.metrics.names import LAG_SECONDS
from streamjoin.progress import Tell


@dataclass
class Backlog:
    """Tells it in seconds: by how much less than at most the source is behind the present.

    Args:
        tell: Takes it.
    """

    tell: Tell
    _most: float = field(default=0.0, init=False)

    def took(self, measures: Iterable[Measure], records: int) -> None:
        """Tell it after a batch; of a source that is never behind, or doesn't say so, the records so far.

        Args:
            measures: The batch's numbers.
            records: All that this run has read.
        """
        lag = next((each.value for each in measures if each.metric is LAG_SECONDS), 0.0)
        # A source that is written to may fall behind further before it comes nearer.
        self._most = max(self._most, lag)
        if self._most:
            self.tell(self._most - lag, self._most, "seconds of the backlog")
        else:
            self.tell(records, None, "records")
