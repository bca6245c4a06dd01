"""What of a batch is done while another one is committed: all but what is written."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from streamjoin.enrich.batch import Ordered, order_in_driver
from streamjoin.enrich.in_driver import InDriver, join_in_driver
from streamjoin.enrich.job import EnrichJob, followed
from streamjoin.errors import StreamJoinError
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.spark.frames import activate
from streamjoin.streaming.batch import Batch, follow_size

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A batch that is decoded and joined, and ordered if the batch before it has no say in that.

    Args:
        job: The job's parts.
        snapshots: The version of each reference that it was joined with.
        joined: Its events.
        ordered: They in order, and their counts.
        kept: Ends the caches.
        seconds: How long that took.
    """

    job: EnrichJob
    snapshots: Mapping[str, Snapshot]
    joined: InDriver
    ordered: Ordered | None
    kept: ExitStack
    seconds: float

    def is_fresh(self, clock: Callable[[], float] = time.time) -> bool:
        """Tell whether all versions may still be joined with: none is older than its `max_staleness_seconds`."""
        ages = {name: clock() - snapshot.as_of.timestamp() for name, snapshot in self.snapshots.items()}
        return all(ages[each.name] <= each.max_staleness_seconds for each in followed(self.job))

    def discard(self) -> None:
        """Let go of it. What reading its versions consumed is told by the next ones."""
        self.kept.close()
        _give_back(self.job, self.snapshots)


def prepare(job: EnrichJob, batch: Batch) -> Prepared | None:
    """Decode and join a batch while the one before it is committed; None if that has to wait, or fails.

    What fails is done again in the batch's own turn, and said there. A job that deletes rows orders a batch in its own
    turn: which of its events come too late is told by the deletions of the one before. One that rewrites rows takes its
    versions in turn with its passes.

    Args:
        job: The job's parts.
        batch: The records.
    """
    if job.rewriting is not None or batch.table is None or len(followed(job)) < len(job.references):
        return None
    started = time.monotonic()
    activate(batch.records.sparkSession)
    follow_size(batch)
    snapshots = dict[str, Snapshot]()
    with ExitStack() as kept:
        try:
            for reference in followed(job):
                snapshots[reference.name] = reference.current()
            joined = join_in_driver(job, batch, snapshots)
            if joined is not None:
                ordered = None if job.deletion else order_in_driver(batch, joined, snapshots, kept)
                return Prepared(job, snapshots, joined, ordered, kept.pop_all(), time.monotonic() - started)
        except (StreamJoinError, PySparkException, Py4JError) as error:
            log.debug("batch=%s could not be prepared: %s", batch.batch_id, type(error).__name__)
    _give_back(job, snapshots)
    return None


def _give_back(job: EnrichJob, snapshots: Mapping[str, Snapshot]) -> None:
    for reference in followed(job):
        if reference.name in snapshots:
            reference.unreported(snapshots[reference.name])
