"""The loop of a replication job: changes as they come, and again after a fault that passes."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from streamjoin.replicate.changes import ChangeBatch, ChangeReader
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.job import ReplicateJob, position_of
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

# How long a wish to stop may wait for a change.
_TAKE_SECONDS: Final = 0.5
# A position behind transactions of other tables is saved now and then too: the server purges its old binlog files.
_IDLE_SAVE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Until:
    """When a run ends without being asked.

    Args:
        caught_up: When all has been written that was in the binlog when following it began.
        batches: After so many batches of changes, or chunks of a full load; None: never.
    """

    caught_up: bool = False
    batches: int | None = None


@dataclass
class ReplicationSummary:
    """What a run did so far.

    Args:
        batches: Batches of changes, and chunks of full loads.
        records: Changes and loaded rows.
        caught_up: Whether all has been written that was in the binlog when following it began.
    """

    batches: int = 0
    records: int = 0
    caught_up: bool = False

    def add(self, records: int) -> None:
        """Count a batch."""
        self.batches += 1
        self.records += records


class Report(Protocol):
    """What a batch did."""

    @property
    def state(self) -> ControlState:
        """What was saved."""

    def line(self) -> str:
        """Return the report as `key=value` pairs."""


def follow(
    job: ReplicateJob,
    state: ControlState,
    process: Callable[[ControlState, ChangeBatch], Report],
    *,
    until_caught_up: bool,
    is_over: Callable[[], bool],
    stop: StopRequest,
    summary: ReplicationSummary,
) -> ControlState:
    """Process batches of changes from the position of `state`, until a load is needed or the run is over.

    Args:
        job: The job's parts.
        state: What the control table has.
        process: Takes a batch to the position that it saves.
        until_caught_up: Whether the run is over once caught up.
        is_over: Tells whether it is over for another reason.
        stop: Ends a pause.
        summary: Is brought up to date.

    Returns: The state saved last.
    """
    # Whoever wrote before this process, did so up to here at most.
    replay_until = job.server.position()
    position = position_of(state)
    with job.server.changes(position, job.routes.selects, job.routes.tables) as stream:
        reader = ChangeReader(stream, position, replay_until, job.limits)
        saved = time.monotonic()
        while not is_over():
            started = time.monotonic()
            batch = reader.next(_TAKE_SECONDS)
            if batch.changes:
                report = process(state, batch)
                log.info(report.line())
                state, saved = report.state, time.monotonic()
                summary.add(batch.changes)
                if state.loading is not None:
                    return state
            summary.caught_up = reader.is_caught_up
            is_done = summary.caught_up and until_caught_up
            if is_done or time.monotonic() - saved > _IDLE_SAVE_SECONDS:
                if reader.position != position_of(state):
                    state = job.save(replace(state, position=reader.position.to_dict()))
                saved = time.monotonic()
            if is_done:
                break
            if len(batch.rows) < job.limits.records:
                stop.wait(job.interval_seconds - (time.monotonic() - started))
            # Says that this process lives, also where nothing changes.
            job.control.check()
    return state
