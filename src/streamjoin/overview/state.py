"""What a job is doing, told by its lock and by its newest commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final, Self

from streamjoin.history.figures import BatchFigures
from streamjoin.lock.view import LockView


class State(StrEnum):
    """What a job is doing."""

    NEVER_STARTED = "never started"
    STARTING = "starting"
    RUNNING = "running"
    STALE = "stale"
    STOPPED = "stopped"
    DIED = "died"
    DONE = "done"


MARKS: Final = {
    State.NEVER_STARTED: "○",
    State.STARTING: "◐",
    State.RUNNING: "●",
    State.STALE: "▲",
    State.STOPPED: "■",
    State.DIED: "✖",
    State.DONE: "✔",
}
# Further behind is worth a look.
MOST_LAG_MS: Final = 60_000
# So often a job that is caught up commits how far each shard was read, also if nothing came.
IDLE_SECONDS: Final = 3600.0
# A batch of a backlog, the first one with Java's start before it, takes no longer than that.
_PATIENCE_SECONDS: Final = 180.0
_USUAL_BATCHES: Final = 10


@dataclass(frozen=True)
class JobState:
    """What a job is doing, and how that is known.

    Args:
        state: In a word.
        detail: In a sentence.
    """

    state: State
    detail: str

    @classmethod
    def of(
        cls,
        lock: LockView,
        batches: Sequence[BatchFigures],
        now: datetime,
        *,
        allowed_seconds: float,
        is_begun: bool = False,
    ) -> Self:
        """Tell it of a job that runs until it is stopped.

        Args:
            lock: The job's.
            batches: Its newest, the oldest first.
            now: The time.
            allowed_seconds: How long it may commit nothing, beside ten times the usual time between two commits.
            is_begun: Whether it is known to have begun, whatever there is of batches.
        """
        age_seconds = max(0.0, (now - batches[-1].at).total_seconds()) if batches else None
        nothing = "nothing written lately" if is_begun else "no commit yet"
        said = nothing if age_seconds is None else f"last commit {ago(age_seconds)}"
        if lock.holder is None:
            if age_seconds is None and not is_begun:
                return cls(State.NEVER_STARTED, "no commit, and no process has its lock")
            return cls(State.STOPPED, f"no process has its lock; {said}")
        who = f"'{lock.holder.job}' on {lock.holder.host}, process {lock.holder.pid}: {lock.evidence}"
        gaps = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(batches)]
        allowed_seconds += expected_seconds(gaps)
        is_long_ago = age_seconds is None or age_seconds > allowed_seconds
        if lock.is_alive is False or (lock.is_alive is None and is_long_ago):
            return cls(State.DIED, f"{who}; it has not given its lock back; {said}")
        if age_seconds is None:
            return cls(State.RUNNING if is_begun else State.STARTING, f"{who}; {said}")
        if age_seconds > allowed_seconds:
            return cls(State.STALE, f"{who}, but {said}; expected within {duration(allowed_seconds)}")
        return cls(State.RUNNING, f"{who}; {said}")


def expected_seconds(gaps: Collection[float]) -> float:
    """Return a generous bound of the time between two commits of a job that runs, by the gaps between others."""
    usual = _USUAL_BATCHES * median(gaps) if gaps else 0.0
    return usual + _PATIENCE_SECONDS


def duration(seconds: float) -> str:
    """Return a length of time for people: two units at most."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if minutes < 60:
        return f"{int(minutes)} min {int(seconds % 60)} s" if minutes < 10 else f"{minutes:.0f} min"
    return f"{int(hours)} h {int(minutes % 60)} min" if hours < 48 else f"{days:.0f} days"


def lag_text(lag_ms: int) -> str:
    """Return how far something is behind, for people."""
    return duration(lag_ms / 1000) if lag_ms else "0"


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"
