"""How soon a shard may be asked again: as the service allows, and later with each fault in a row.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: 5 `GetRecords` a second and
shard, shared by all consumers; likewise 5 `GetShardIterator`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from streamjoin.aws.backoff import back_off_seconds
from streamjoin.kinesis.clock import Clock

SECONDS_BETWEEN_CALLS = 0.2
_FIRST_BACK_OFF_SECONDS = 0.4
_LONGEST_BACK_OFF_SECONDS = 5.0


@dataclass
class _Shard:
    called_at: dict[str, float] = field(default_factory=dict)
    faults: int = 0
    failures: int = 0
    resumes_at: float = 0.0


class CallPace:
    """The pace of one process's calls to the shards of one stream: those of batches, retries and read-aheads.

    A shard's calls are one thread's at a time.

    Args:
        clock: Where time comes from.
        jitter: Gives numbers in [0, 1) that spread the retries of several readers.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float]) -> None:
        self._clock, self._jitter = clock, jitter
        self._shards: dict[str, _Shard] = {}

    def await_turn(self, operation: str, shard_id: str, spaced_seconds: float = SECONDS_BETWEEN_CALLS) -> None:
        """Wait until the shard may be asked again for `operation`; the call is to follow at once."""
        shard = self._shard(shard_id)
        wait_seconds = self.back_off_seconds(shard_id)
        if operation in shard.called_at:
            wait_seconds = max(wait_seconds, shard.called_at[operation] + spaced_seconds - self._clock.monotonic())
        if wait_seconds > 0:
            self._clock.sleep(wait_seconds)
        shard.called_at[operation] = self._clock.monotonic()

    def back_off_seconds(self, shard_id: str) -> float:
        """Return how long the shard is to be left alone after its faults; 0 when it had none."""
        return max(0.0, self._shard(shard_id).resumes_at - self._clock.monotonic())

    def throttled(self, shard_id: str) -> None:
        """Take note that the service refused a call for the shard's throughput; it passes, however long it takes."""
        shard = self._shard(shard_id)
        longest_seconds = back_off_seconds(shard.faults, _FIRST_BACK_OFF_SECONDS, _LONGEST_BACK_OFF_SECONDS)
        shard.faults += 1
        shard.resumes_at = self._clock.monotonic() + longest_seconds * (0.5 + self._jitter() / 2)

    def failed(self, shard_id: str) -> int:
        """Take note of a failed call; return how many failed since the shard last answered."""
        self.throttled(shard_id)
        shard = self._shard(shard_id)
        shard.failures += 1
        return shard.failures

    def answered(self, shard_id: str) -> None:
        """Take note that the shard's faults are over, or reported."""
        shard = self._shard(shard_id)
        shard.faults, shard.failures, shard.resumes_at = 0, 0, 0.0

    def _shard(self, shard_id: str) -> _Shard:
        return self._shards.setdefault(shard_id, _Shard())
