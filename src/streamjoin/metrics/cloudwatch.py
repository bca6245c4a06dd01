"""Metrics for CloudWatch by the embedded metric format: lines of JSON that CloudWatch Logs takes metrics out of.

Nothing is called: on Glue, in a container or on EC2 what a process prints goes to a log group anyway.

Source: Amazon CloudWatch user guide, "Specification: Embedded metric format": at most 100 metrics in a directive,
values are numbers, the timestamp is in milliseconds, dimensions are members of the object whose values are text.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from streamjoin.metrics.metric import Measure, finite

DIMENSION: Final = "job"
_MOST_METRICS: Final = 100


def print_line(line: str) -> None:
    """Print a line to standard output at once: the log itself goes to standard error."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class EmbeddedMetrics:
    """Prints the numbers of a batch as one line; more lines only if there are more than 100 of them.

    All have the one dimension `job`. What else tells the numbers of a metric apart stands behind its name,
    `rejected_by_reason.WRONG_TYPE`: a dimension has one value in a line.

    Args:
        namespace: Of the metrics, in CloudWatch.
        job: The job's name.
        write: Takes a line.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        namespace: str,
        job: str,
        *,
        write: Callable[[str], None] = print_line,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._namespace, self._job, self._write, self._clock = namespace, job, write, clock

    def tell(self, measures: Sequence[Measure]) -> None:
        """Print the numbers of a batch; those that aren't finite are left out, as CloudWatch would refuse them."""
        told = {each.key: each for each in finite(measures)}
        keys = list(told)
        for begin in range(0, len(keys), _MOST_METRICS):
            self._write(json.dumps(self._line([told[key] for key in keys[begin : begin + _MOST_METRICS]])))

    def close(self) -> None:
        """Do nothing: all is printed."""

    def _line(self, measures: Sequence[Measure]) -> dict[str, Any]:
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [[DIMENSION]],
            "Metrics": [{"Name": each.key, "Unit": each.metric.unit.value} for each in measures],
        }
        return {
            "_aws": {"Timestamp": round(self._clock() * 1000), "CloudWatchMetrics": [directive]},
            DIMENSION: self._job,
            **{each.key: each.value for each in measures},
        }
