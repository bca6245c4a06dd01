"""A bound on the read units that scans and lookups consume."""

import threading
import time
from collections.abc import Callable

# Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
BYTES_PER_UNIT = 4096
# Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html; Query's is the same.
_PAGE_BYTES = 1024 * 1024
# What an item is taken for while the service doesn't know its table's size yet.
_UNKNOWN_ITEM_BYTES = 1024.0


class ReadUnits:
    """A number of read units a second that is not exceeded on average. For any number of threads.

    A call says only afterwards what it consumed. So it is paid for afterwards: the caller is held back until what it
    consumed has been earned, and time without reading earns nothing. What can be consumed at once is one call for
    each thread.

    Invariant: since the limiter was made, no more was consumed than the time allows, when `spend` returns.

    Args:
        max_per_second: None for no bound.
        clock: Seconds that never go back.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self,
        max_per_second: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.max_per_second = max_per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._earned_at = clock()

    def now(self) -> float:
        """Return the time, for `spend`'s `started_at`."""
        return self._clock()

    def spend(self, units: float, *, started_at: float | None = None) -> None:
        """Wait until the units that a call consumed have been earned, and those of calls that ended before it.

        Args:
            units: What the call consumed.
            started_at: When the call began, by `now`: then the time that it took counts as earning. Default: just now.
        """
        if self.max_per_second is None:
            return
        with self._lock:
            now = self._clock()
            since = now if started_at is None else min(started_at, now)
            # Each payment begins where the one before ended, so that threads that pay together wait for their sum.
            self._earned_at = max(self._earned_at, since) + units / self.max_per_second
            wait_seconds = self._earned_at - now
        if wait_seconds > 0:
            self._sleep(wait_seconds)

    def share(self, tasks: int) -> "ReadUnits":
        """Return the bound of one of `tasks` that read at the same time."""
        share = None if self.max_per_second is None else self.max_per_second / max(tasks, 1)
        return ReadUnits(share, self._clock, self._sleep)

    def page_limit(self, item_bytes: float, *, is_consistent: bool = True) -> int | None:
        """Return how many items a page may have, so that it consumes about what a second earns, or less.

        Args:
            item_bytes: How large an item is on average; 0 if that isn't known.
            is_consistent: Whether reads are strongly consistent: eventually consistent ones cost half.

        Returns:
            One item at least; None if the service's own limit of 1 MB a page is the narrower one.
        """
        if self.max_per_second is None:
            return None
        page_bytes = self.max_per_second * BYTES_PER_UNIT * (1 if is_consistent else 2)
        if page_bytes >= _PAGE_BYTES:
            return None
        return max(1, int(page_bytes / (item_bytes if item_bytes > 0 else _UNKNOWN_ITEM_BYTES)))
