"""A clock that tests move, for what reads a fake Kinesis."""

import threading
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

from streamjoin.kinesis.readings import THREAD_NAME

# Threads in a call that hangs: only these are waited for in vain.
HANGING: set[threading.Thread] = set()


class FakeClock:
    """Time that passes only when something sleeps or waits for what hangs, or a test says so."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self.start_ms, self.elapsed_seconds = start_ms, 0.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        return self.start_ms + round(self.elapsed_seconds * 1000)

    def monotonic(self) -> float:
        return self.elapsed_seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.pass_seconds(seconds)

    def wait(self, work: Any, seconds: float) -> bool:
        while wait(work, 0.001).not_done:
            readers = {thread for thread in threading.enumerate() if thread.name == THREAD_NAME}
            if readers <= HANGING and not all(each.done() for each in work):
                self.pass_seconds(seconds)
                return False
        return True

    def wait_for(self, news: threading.Condition, holds: Callable[[], bool], seconds: float) -> bool:
        del news
        if not holds():
            self.pass_seconds(seconds)
        return holds()

    def pass_seconds(self, seconds: float) -> None:
        with self._lock:
            self.elapsed_seconds += seconds
