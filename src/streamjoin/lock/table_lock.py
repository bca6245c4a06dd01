"""The right to write one table."""

from types import TracebackType
from typing import Protocol, Self

from streamjoin.clients import aws_client
from streamjoin.lock.file_lock import FileLock
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease, Renewal
from streamjoin.lock.lease_object import LeaseObject
from streamjoin.storage import bucket_and_key, is_s3, local_path

LEASE_SECONDS = 20.0
_PLACE = ".streamjoin_lock"


class _Lock(Protocol):
    def take(self) -> None: ...
    def check(self) -> None: ...
    def release(self) -> None: ...


class TableLock:
    """The right to write a table, for the length of a `with` block.

    It is the file `.streamjoin_lock` in the base path, which Hudi and its readers pass over. On a disk it ends
    with the process, however that ends. On S3 it ends `lease_seconds` after the process, or at once for the next one
    on the same machine. See docs/adr/0011-one-writer-a-table.md.

    Args:
        base_path: The table; it may not exist yet.
        job: The job's name, for whoever comes second.
        lease_seconds: On S3: how long a job that was killed keeps others out.
    """

    def __init__(self, base_path: str, *, job: str, lease_seconds: float = LEASE_SECONDS) -> None:
        holder = Holder.here(job)
        self._renewal: Renewal | None = None
        self._lock: _Lock
        if is_s3(base_path):
            bucket, key = bucket_and_key(base_path)
            lease = Lease(base_path, LeaseObject(aws_client("s3"), bucket, f"{key}/{_PLACE}"), holder, lease_seconds)
            self._lock, self._renewal = lease, Renewal(lease)
        else:
            self._lock = FileLock(base_path, local_path(base_path) / _PLACE, holder)

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            SinkError: Somebody else has it: not retryable, and names him. Or it can't be written.
        """
        self._lock.take()
        if self._renewal:
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
