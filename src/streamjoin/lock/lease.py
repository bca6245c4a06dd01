"""A lease: a right that its holder renews, and that another process may take when it isn't renewed."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.refusal import Place, held, lost

log = logging.getLogger(__name__)

_RENEWALS_IN_A_LEASE: Final = 5


@dataclass(frozen=True)
class Entry:
    """What a store has of a lease.

    Args:
        owner: Whose it is: `Holder.owner`; None if it is free.
        holder: Who that is; None if that can't be read.
        renewals: How often it was written.
        seconds: How long it lasts when it isn't renewed; None if the store doesn't say.
        tag: What the store tells this content from all others by.
        beside: What else is stored with the lease.
        age_seconds: How long ago it was written, as far as the store says; None if it doesn't.
    """

    owner: str | None
    holder: Holder | None = None
    renewals: int = 0
    seconds: float | None = None
    tag: Hashable = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    age_seconds: float | None = field(default=None, compare=False)


class LeaseStore(Protocol):
    """Where one lease is kept, written only by a process that has seen what it replaces.

    Attributes:
        place: What the lease is for.
        is_conditional: Whether of two that write in the same moment one is refused; without it both may believe that
            they wrote.
    """

    @property
    def place(self) -> Place: ...  # noqa: D102
    @property
    def is_conditional(self) -> bool: ...  # noqa: D102

    def read(self) -> Entry | None:
        """Return what is there; None if nothing is.

        Raises:
            SinkError: The store can't be asked.
        """

    def write(self, entry: Entry, replacing: Entry | None) -> Entry | None:
        """Write `entry`, and return it with its tag; None if something else than `replacing` is there by now.

        Raises:
            SinkError: The store can't be written; whether it was is not known.
        """


class Lease:
    """A lease that lasts as long as it is renewed.

    Clocks are never compared: a process that finds a lease watches it for as long as it lasts, by its own clock. It
    changed, so its holder lives; it didn't, so it is replaced, by a write that fails when it changed after all. For the
    same reason a holder that was paused learns by its next renewal that it is no longer one.

    Args:
        store: Where the lease is kept.
        holder: This process.
        lease_seconds: How long it lasts when it isn't renewed.
        now: Seconds on a clock that never goes back.
        pause: Waits for so many seconds.
        look_seconds: How often one is looked at that another process has. Default: as often as it is renewed.
    """

    def __init__(
        self,
        store: LeaseStore,
        holder: Holder,
        lease_seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        look_seconds: float | None = None,
    ) -> None:
        self._store, self._holder, self._lease_seconds = store, holder, lease_seconds
        self._now, self._pause = now, pause
        self.renewal_seconds = lease_seconds / _RENEWALS_IN_A_LEASE
        self._look_seconds = look_seconds or self.renewal_seconds
        # Invariant: `_mine` is what we wrote last; None if the lease isn't ours. One thread at a time writes.
        self._mine: Entry | None = None
        self._renewed_at = 0.0
        self._writing = threading.RLock()

    def take(self) -> Mapping[str, Any]:
        """Take the lease, and return what stands beside it; watches one that is there for as long as it lasts.

        Raises:
            SinkError: Another process has it, or the store can't be read or written.
        """
        name = self._store.place.name
        watched: Entry | None = None
        since = self._now()
        with self._writing:
            self._mine = None
            while True:
                found = self._store.read()
                if found is None or found.owner in (None, self._holder.owner):
                    self._claim(found)
                elif found.holder is not None and found.holder.is_dead():
                    log.warning("%s: %s has ended without giving it back", name, found.holder)
                    self._claim(found)
                elif watched is None:
                    watched, since = found, self._now()
                    seconds, who = found.seconds or self._lease_seconds, found.holder or "another process"
                    log.info("%s: %s has it; watching for up to %.0f s whether it lives", name, who, seconds)
                elif found.tag != watched.tag:
                    evidence = "its lease was renewed meanwhile"
                    raise held(self._store.place, found.holder, evidence, refused=self._holder)
                elif self._now() - since >= seconds:
                    log.warning("%s: %s did not renew its lease for %.0f s: taking it over", name, who, seconds)
                    self._claim(found)
                if self._mine is not None:
                    return self._mine.beside
                self._pause(self._look_seconds)

    def renew(self, beside: Mapping[str, Any] | None = None) -> None:
        """Write the lease again, which says that this job lives.

        Args:
            beside: What is to stand beside it from now on. Default: what does.

        Raises:
            SinkError: The lease is no longer ours; or, retryable, the store can't be written at the moment.
        """
        place = self._store.place
        with self._writing:
            # The second time after a write of ours whose answer was lost.
            for _ in range(2):
                mine = self._mine
                if mine is None:
                    raise lost(place, None, "it was not taken, or was lost before")
                if not self._store.is_conditional and self._now() - self._renewed_at > self._lease_seconds:
                    self._mine = None
                    raise lost(place, None, f"it was not renewed for {self._lease_seconds:.0f} s")
                if self._write(replace(mine, beside=mine.beside if beside is None else beside), mine):
                    return
                found = self._store.read()
                self._mine = found if found and found.owner == self._holder.owner else None
                if self._mine is None:
                    evidence = "another process has written the lease" if found else "it is gone"
                    raise lost(place, found.holder if found else None, evidence)
            message = f"{place.name}: its lock can't be written: the store refused it twice, and yet it is this job's"
            raise SinkError(message, retryable=True)

    def check(self) -> None:
        """Raise unless the lease is ours at this moment; renews it.

        Raises:
            SinkError: As `renew`.
        """
        self.renew()

    def keep(self) -> None:
        """Return while the lease is ours, as far as is known; renew it if it is time. For any thread, often.

        Raises:
            SinkError: As `renew`.
        """
        with self._writing:
            if self._mine is None or self._now() - self._renewed_at >= self.renewal_seconds:
                self.renew()

    def release(self) -> None:
        """Give the lease back if it is still ours, by writing that it is free; never raises.

        Not by deleting it: a store that doesn't know conditional deletes would delete that of another process.
        """
        name = self._store.place.name
        with self._writing:
            mine, self._mine = self._mine, None
            if mine is None:
                return
            try:
                if self._store.write(replace(mine, owner=None), mine) is None:
                    log.warning("%s: its lease was taken by another process before it was given back", name)
            except SinkError as error:
                log.warning("%s: its lease was not given back, it ends by itself: %s", name, error)

    def _claim(self, found: Entry | None) -> None:
        """Write the lease in place of `found`; another process may be faster, then it isn't ours."""
        free = found or Entry(owner=None)
        taken = replace(free, owner=self._holder.owner, holder=self._holder, seconds=self._lease_seconds)
        if self._write(taken, found) and not self._store.is_conditional:
            self._pause(self.renewal_seconds)
            stored = self._store.read()
            if stored is None or self._mine is None or stored.tag != self._mine.tag:
                self._mine = None

    def _write(self, entry: Entry, replacing: Entry | None) -> bool:
        started = self._now()
        # Goes on from the former one's, so that no two contents are alike.
        written = self._store.write(replace(entry, renewals=entry.renewals + 1), replacing)
        if written is None:
            return False
        self._mine, self._renewed_at = written, started
        return True


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
                # Raising ends this thread alone: before the next commit `check` finds the same.
                log.warning("%s", error)
                if not error.retryable:
                    return
