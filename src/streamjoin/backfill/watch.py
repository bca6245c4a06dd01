"""A look at the reading every few seconds, from a thread of the driver."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamjoin.errors import StreamJoinError

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0


class Watch:
    """Says at an interval how far something is; `tick` is one look, so that a test needs no time.

    Args:
        say: Looks, and says it.
        clock: Seconds that never go back.
        interval_seconds: From one look to the next.
    """

    def __init__(
        self,
        say: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._say, self._clock, self._interval_seconds = say, clock, interval_seconds
        self._said_at = clock()

    def tick(self) -> float:
        """Look where it is time to; return how many seconds there are until the next look."""
        since = self._clock() - self._said_at
        if since < self._interval_seconds:
            return self._interval_seconds - since
        self._said_at = self._clock()
        try:
            self._say()
        except StreamJoinError as error:
            # Not seeing how far it is doesn't keep it from getting there.
            log.warning("progress can't be told: %s", error)
        return self._interval_seconds


@contextmanager
def watching(watch: Watch, is_stopped: Callable[[], bool], cancel: Callable[[], None]) -> Iterator[None]:
    """Tick in the background for the length of a `with` block.

    Args:
        watch: What ticks.
        is_stopped: Whether somebody asked the job to stop.
        cancel: Called once when somebody did.
    """
    ended = threading.Event()

    def run() -> None:
        is_cancelled = False
        while not ended.wait(min(watch.tick(), 0.5)):
            if is_stopped() and not is_cancelled:
                is_cancelled = True
                cancel()

    thread = threading.Thread(target=run, name="backfill-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10.0)
