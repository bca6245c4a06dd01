"""The lock of a table on S3: an object that its holder renews, and that anyone may take when it isn't renewed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease_object import LeaseObject, Version
from streamjoin.lock.refusal import held, lost, unusable

log = logging.getLogger(__name__)

_RENEWALS_IN_A_LEASE = 5
# Asking again doesn't change it. Source: Amazon S3 API reference, "List of error codes".
_LASTING = frozenset({"AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"})


class Lease:
    """A lease that lasts as long as its object changes.

    Nobody compares clocks: who finds a lease watches its object for `lease_seconds` by its own clock. It changed, so
    somebody lives; it didn't, so it is replaced, by a write that fails when it changed after all. For the same reason a
    holder that was paused learns by its next renewal, which `check` does, that it is no longer one.

    Args:
        base_path: The table, for messages.
        lease: The object.
        holder: This process.
        lease_seconds: How long an object is watched before it is taken for abandoned.
        now: Seconds on a clock that never goes back.
        pause: Waits for so many seconds.
        look_seconds: How often one is looked at that somebody else has. Default: as often as he renews it.
    """

    def __init__(
        self,
        base_path: str,
        lease: LeaseObject,
        holder: Holder,
        lease_seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        look_seconds: float | None = None,
    ) -> None:
        self._base_path, self._object, self._holder = base_path, lease, holder
        self._lease_seconds, self._now, self._pause = lease_seconds, now, pause
        self.renewal_seconds = lease_seconds / _RENEWALS_IN_A_LEASE
        self._look_seconds = look_seconds or self.renewal_seconds
        # Invariant: `_etag` is the tag of our last write; None where the lease isn't ours. One thread at a time writes.
        self._etag: str | None = None
        self._renewals, self._renewed_at = 0, 0.0
        self._writing = threading.RLock()

    def take(self) -> None:
        """Take the lease; watches one that is there for as long as it lasts.

        Raises:
            SinkError: Somebody else has it, or the object can't be read or written.
        """
        watched, since = "", self._now()
        with self._writing, self._store_errors():
            while self._etag is None:
                found = self._object.read()
                other = Holder.from_json(found.content) if found else None
                if found is None or other is None or other.owner == self._holder.owner:
                    self._claim(found)
                elif other.is_dead():
                    log.warning("table at '%s': %s has ended without giving it back", self._base_path, other)
                    self._claim(found)
                elif not watched:
                    watched, since = found.etag, self._now()
                    log.info(
                        "table at '%s': %s has it; watching for up to %.0f s whether it lives",
                        self._base_path,
                        other,
                        self._lease_seconds,
                    )
                elif found.etag != watched:
                    raise held(self._base_path, other, "its lease was renewed meanwhile")
                elif self._now() - since >= self._lease_seconds:
                    log.warning(
                        "table at '%s': %s did not renew its lease for %.0f s: taking it over",
                        self._base_path,
                        other,
                        self._lease_seconds,
                    )
                    self._claim(found)
                if self._etag is None:
                    self._pause(self._look_seconds)

    def renew(self) -> None:
        """Write the object again, which says that this job lives.

        Raises:
            SinkError: The lease is no longer ours; or, retryable, the object can't be written at the moment.
        """
        with self._writing, self._store_errors():
            # The second time after a write of ours whose answer was lost.
            for _ in range(2):
                if self._etag is None:
                    raise lost(self._base_path, None, "it was not taken, or was lost before")
                if not self._object.is_conditional and self._now() - self._renewed_at > self._lease_seconds:
                    self._etag = None
                    raise lost(self._base_path, None, f"it was not renewed for {self._lease_seconds:.0f} s")
                if self._write(replacing=self._etag):
                    return
                found = self._object.read()
                other = Holder.from_json(found.content) if found else None
                ours = found is not None and other is not None and other.owner == self._holder.owner
                self._etag = found.etag if found and ours else None
                if self._etag is None:
                    raise lost(self._base_path, other, "somebody else has written the lease" if found else "it is gone")

    def check(self) -> None:
        """Raise unless the lease is ours at this moment; renews it.

        Raises:
            SinkError: As `renew`.
        """
        self.renew()

    def release(self) -> None:
        """Give the lease back where it is still ours, by writing that nobody has it; never raises.

        Not by deleting it: a store that doesn't know conditional deletes would delete that of somebody else.
        """
        with self._writing:
            etag, self._etag = self._etag, None
            if etag is None:
                return
            try:
                self._object.write(self._holder.to_json(renewed=self._renewals, released=True), replacing=etag)
            except (ClientError, BotoCoreError) as error:
                log.warning(
                    "table at '%s': its lease was not given back, it ends by itself: %s", self._base_path, error
                )

    def _claim(self, found: Version | None) -> None:
        """Write the lease in place of `found`; somebody else may be faster, then it isn't ours."""
        if not self._write(replacing=found.etag if found else None):
            return
        if self._object.is_conditional:
            again = self._object.write(self._content(), replacing=None)
            if again is None:
                return
            self._etag = again
            self._object.give_up_conditions("it wrote an object that was there, asked not to")
        self._pause(self.renewal_seconds)
        settled = self._object.read()
        if settled is None or settled.etag != self._etag:
            self._etag = None

    def _write(self, *, replacing: str | None) -> bool:
        started = self._now()
        self._renewals += 1
        etag = self._object.write(self._content(), replacing=replacing)
        if etag is not None:
            self._etag, self._renewed_at = etag, started
        return etag is not None

    def _content(self) -> bytes:
        return self._holder.to_json(renewed=self._renewals)

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            raise unusable(self._base_path, error, retryable=code not in _LASTING) from error


class Renewal:
    """Renews a lease in the background, so that a batch may take as long as it likes.

    Args:
        lease: What to renew.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease, self._ended = lease, threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; waits for a renewal in hand, but not for a store that doesn't answer."""
        self._ended.set()
        self._thread.join(timeout=self._lease.renewal_seconds)

    def _run(self) -> None:
        while not self._ended.wait(self._lease.renewal_seconds):
            try:
                self._lease.renew()
            except SinkError as error:
                # Nobody can be raised at from here: before the next commit `check` finds the same.
                log.warning("%s", error)
                if not error.retryable:
                    return
