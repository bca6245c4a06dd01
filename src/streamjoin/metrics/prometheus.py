"""A port that Prometheus scrapes, for as long as the job runs."""

import threading
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from streamjoin.errors import StreamJoinError
from streamjoin.metrics.metric import Kind, Measure, Metric, finite
from streamjoin.metrics.names import METRICS

PREFIX: Final = "streamjoin_"
# `job` is what Prometheus calls the scrape itself.
JOB_LABEL: Final = "job_name"


class Totals(Collector):
    """What a scrape is answered: counters added up since the job began, gauges as of the newest batch.

    Args:
        job: The job's name.
        kind: Of the job. Its counters without labels begin at 0, so that the first batch is seen to add something.
    """

    def __init__(self, job: str, kind: str) -> None:
        self._job, self._lock = job, threading.Lock()
        self._values: dict[Metric, dict[tuple[str, ...], float]] = {
            metric: {(): 0.0}
            for metric in METRICS
            if metric.kind is Kind.COUNTER and not metric.labels and kind in metric.jobs
        }

    def tell(self, measures: Sequence[Measure]) -> None:
        """Take the numbers of a batch in."""
        with self._lock:
            for each in finite(measures):
                found = self._values.setdefault(each.metric, {})
                # A counter that goes back would be taken for one of a job that started again.
                added = max(0.0, each.value) + found.get(each.labels, 0.0)
                found[each.labels] = added if each.metric.kind is Kind.COUNTER else each.value

    def collect(self) -> Iterator[Family]:
        """Yield all of them, in the order of the list."""
        with self._lock:
            values = {metric: dict(found) for metric, found in self._values.items()}
        for metric in METRICS:
            if metric in values:
                family = (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
                    PREFIX + metric.name, metric.meaning, labels=[JOB_LABEL, *metric.labels]
                )
                for labels, value in values[metric].items():
                    family.add_metric([self._job, *labels], value)
                yield family


class PrometheusPort:
    """Answers `GET /metrics`.

    Args:
        host: The address that it listens on.
        port: The port.
        job: The job's name.
        kind: Of the job.

    Raises:
        StreamJoinError: The port can't be listened on.
    """

    def __init__(self, host: str, port: int, *, job: str, kind: str) -> None:
        self._totals, registry = Totals(job, kind), CollectorRegistry(auto_describe=False)
        registry.register(self._totals)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            message = (
                f"metrics.prometheus_port: port {port} of '{host}' can't be listened on: {error.strerror or error}. "
                "Give this job a port of its own, and metrics.prometheus_host an address of this machine."
            )
            raise StreamJoinError(message) from error

    def tell(self, measures: Sequence[Measure]) -> None:
        """Take the numbers of a batch in, for the scrapes from now on."""
        self._totals.tell(measures)

    def close(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
