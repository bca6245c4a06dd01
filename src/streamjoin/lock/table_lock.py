"""The right to write one table."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from streamjoin.aws.clients import aws_client
from streamjoin.aws.conditions import with_conditions
from streamjoin.aws.storage import bucket_and_key, is_s3, local_path
from streamjoin.lock.file_lock import FileLock
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease, Renewal
from streamjoin.lock.lease_object import LeaseObject
from streamjoin.lock.refusal import HeldError, Place

LEASE_SECONDS = 20.0
FILE = ".streamjoin_lock"
_POLL_SECONDS = 0.05
# On S3, where each look is a request.
_LOOK_SECONDS = 0.5


class _Lock(Protocol):
    def take(self) -> object: ...
    def check(self) -> None: ...
    def release(self) -> None: ...


class TableLock:
    """The right to write a table, for the length of a `with` block, or of one after the other.

    It is the file `.streamjoin_lock` in the base path, which Hudi and its readers pass over. On a disk it ends
    with the process, however that ends. On S3 it ends `lease_seconds` after the process, or at once for the next one
    on the same machine. See docs/adr/0011-one-writer-a-table.md.

    Args:
        base_path: The table; it may not exist yet.
        job: The job's name, for the process that comes second.
        place: What is locked. Default: a table.
        lease_seconds: On S3: how long a job that was killed keeps others out.
        wait_seconds: How long to wait for another process that has it, and is to give it back soon.
        clock: Seconds that never go back.
        pause: Waits for so many seconds.
    """

    def __init__(
        self,
        base_path: str,
        *,
        job: str,
        place: Place | None = None,
        lease_seconds: float = LEASE_SECONDS,
        wait_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wait_seconds, self._clock, self._pause = wait_seconds, clock, pause
        place, holder = place or Place.of_table(base_path), Holder.here(job)
        self._renewal: Renewal | None = None
        self._lease: Lease | None = None
        self._lock: _Lock
        if is_s3(base_path):
            bucket, key = bucket_and_key(base_path)
            store = LeaseObject(place, with_conditions(aws_client("s3")), bucket, f"{key}/{FILE}")
            look_seconds = _LOOK_SECONDS if wait_seconds > 0 else None
            self._lock = self._lease = Lease(store, holder, lease_seconds, look_seconds=look_seconds)
        else:
            self._lock = FileLock(place, local_path(base_path) / FILE, holder)

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            SinkError: Another process has it, and still had it in the end: not retryable, and names it. Or the lock
                can't be written.
        """
        deadline = self._clock() + self._wait_seconds
        while True:
            try:
                self._lock.take()
                break
            except HeldError:
                if self._clock() >= deadline:
                    raise
                self._pause(_POLL_SECONDS)
        if self._lease:
            self._renewal = Renewal(self._lease)
            self._renewal.start()
        return self

    def check(self) -> None:
        """Raise when the lock is no longer ours; to be called right before each commit.

        Raises:
            SinkError: It isn't; or, retryable, S3 doesn't say at the moment.
        """
        self._lock.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        if self._renewal:
            self._renewal.stop()
        self._lock.release()
