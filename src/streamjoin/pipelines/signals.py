"""Ctrl-C and SIGTERM as a wish to stop, which the job grants after the batch in hand."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class StopRequest:
    """Whether somebody asked the job to stop; waiting on it ends the moment somebody does."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def make(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    @property
    def made(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until somebody asks."""
        self._event.wait(max(0.0, seconds))


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Give a stop request that SIGINT and SIGTERM make; a second signal stops at once.

    Enter it after Spark has started: Spark's own handler for SIGINT would cancel the batch in hand.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # a notebook's or a test's thread: signals belong to the main one
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.made:
            # Whatever the batch had done by now is either committed or will be done again: see docs/delivery.md.
            raise SystemExit(128 + number)
        log.warning("%s: stopping after the batch in hand; once more stops at once", signal.Signals(number).name)
        request.make()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
