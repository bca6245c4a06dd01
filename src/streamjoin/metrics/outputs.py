"""Where the numbers of a job's batches go, beside the log."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

from streamjoin.metrics.cloudwatch import EmbeddedMetrics
from streamjoin.metrics.metric import Measure

log = logging.getLogger(__name__)


class MetricSettings(Protocol):
    """The section `metrics`."""

    @property
    def cloudwatch_namespace(self) -> str | None: ...  # noqa: D102
    @property
    def prometheus_port(self) -> int | None: ...  # noqa: D102
    @property
    def prometheus_host(self) -> str: ...  # noqa: D102


class JobSettings(Protocol):
    """What outputs have to know of a job's configuration."""

    @property
    def job(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def metrics(self) -> MetricSettings: ...  # noqa: D102


class Output(Protocol):
    """A place that numbers go to."""

    def tell(self, measures: Sequence[Measure]) -> None:
        """Take the numbers of a batch."""

    def close(self) -> None:
        """End it."""


@contextmanager
def metric_outputs(settings: JobSettings) -> Iterator[Callable[[Sequence[Measure]], None]]:
    """Open the outputs that a job's configuration names, and give what takes the numbers of each batch to them.

    Delivery: a number that can't be told is said in the log, once, and is lost: no batch fails for it.

    Raises:
        StreamJoinError: The port for Prometheus can't be listened on.
        ModuleNotFoundError: `prometheus_client` is not installed.
    """
    metrics = settings.metrics
    with ExitStack() as opened:
        outputs: list[Output] = []
        if metrics.cloudwatch_namespace is not None:
            outputs.append(EmbeddedMetrics(metrics.cloudwatch_namespace, settings.name))
        if metrics.prometheus_port is not None:
            # An extra brings what it needs.
            from streamjoin.metrics.prometheus import PrometheusPort  # noqa: PLC0415

            port = PrometheusPort(
                metrics.prometheus_host, metrics.prometheus_port, job=settings.name, kind=settings.job
            )
            outputs.append(opened.enter_context(closing(port)))
        failed = set[Output]()

        def tell(measures: Sequence[Measure]) -> None:
            for output in outputs:
                try:
                    output.tell(measures)
                except OSError as error:
                    if output not in failed:
                        log.warning("job=%s metrics can't be told from here on: %s", settings.name, error)
                    failed.add(output)

        yield tell
