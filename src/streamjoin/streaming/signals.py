"""Ctrl-C and SIGTERM ask the job to stop, which it does after the batch in hand."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class StopRequest:
    """Whether the job was asked to stop; waiting on it ends the moment it is."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def make(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    @property
    def made(self) -> bool:
        """Whether the job was asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until the job is asked to stop."""
        self._event.wait(max(0.0, seconds))


# `timeout` signals its child, then the child's group; Java under spark-submit passes on what this process has had too.
_ONE_WISH_SECONDS = 0.5
# After an abandoned batch: what cleaning up may take (giving the lock back, say) before the process just ends.
_CLEAN_UP_SECONDS = 10.0


class _Ending:
    """What signals do, one after the other: ask, abandon, end.

    Whatever the batch had done by the time it is abandoned is either committed or will be done again: docs/delivery.md.
    """

    def __init__(self, request: StopRequest, grace_seconds: float, clock: Callable[[], float], work: str) -> None:
        self._request, self._grace_seconds, self._clock, self._work = request, grace_seconds, clock, work
        self._asked_at = 0.0
        self._number = signal.SIGTERM
        self.is_abandoned = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Ask the job to stop; a second signal doesn't wait for the batch."""
        del frame
        self._number = signal.Signals(number)
        if self._request.made:
            if self._clock() - self._asked_at >= _ONE_WISH_SECONDS:
                self._abandon("a second signal")
            return
        self._asked_at = self._clock()
        _warn(
            f"{self._number.name}: stopping after the {self._work} in hand, in {self._grace_seconds:g} s at most; once "
            "more stops at once"
        )
        self._request.make()
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds)

    def on_alarm(self, number: int, frame: FrameType | None) -> None:
        """Abandon the batch that took longer than the grace time, or end a process that doesn't get done."""
        del number, frame
        self._abandon(f"not done after {self._grace_seconds:g} s")

    def _abandon(self, why: str) -> None:
        code = 128 + self._number
        if self.is_abandoned:
            logging.shutdown()
            os._exit(code)
        self.is_abandoned = True
        signal.setitimer(signal.ITIMER_REAL, _CLEAN_UP_SECONDS)
        _warn(f"abandoning the {self._work} in hand, {why}; the next start goes on from the last commit")
        raise SystemExit(code)


def _warn(said: str) -> None:
    """Log from another thread: a signal may come while this one writes a line, and that can't be begun twice."""
    threading.Thread(target=log.warning, args=(said,), name="signal").start()


@contextmanager
def stop_on_signals(
    grace_seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic, work: str = "batch"
) -> Iterator[StopRequest]:
    """Give a stop request that SIGINT and SIGTERM make; a second signal, or the end of the grace time, stops at once.

    Enter it after Spark has started: Spark's own handler for SIGINT would cancel the batch in hand.

    Args:
        grace_seconds: How long the batch in hand may take after the first signal.
        clock: Seconds that never go back: what comes within half a second is one wish.
        work: What is finished first, in a word.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # a notebook's or a test's thread: signals belong to the main one
        return
    ending = _Ending(request, grace_seconds, clock, work)
    handlers = {signal.SIGINT: ending.on_signal, signal.SIGTERM: ending.on_signal, signal.SIGALRM: ending.on_alarm}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield request
    finally:
        # The alarm of an abandoned batch stays: what the process still has to do must end too.
        if not ending.is_abandoned:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)
