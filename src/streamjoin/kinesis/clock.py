"""Where the reading of Kinesis gets its time from, and waits."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from threading import Condition
from typing import Any, Protocol


class Clock(Protocol):
    """A parameter of whatever waits, so that tests need no time."""

    def now_ms(self) -> int: ...  # noqa: D102
    def monotonic(self) -> float: ...  # noqa: D102
    def sleep(self, seconds: float) -> None: ...  # noqa: D102
    def wait(self, work: Collection[Future[Any]], seconds: float) -> bool: ...  # noqa: D102
    def wait_for(self, news: Condition, holds: Callable[[], bool], seconds: float) -> bool: ...  # noqa: D102


class SystemClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def wait(self, work: Collection[Future[Any]], seconds: float) -> bool:
        """Wait until all of the work is done, but no longer than told; return whether it is."""
        return not wait(work, seconds).not_done

    def wait_for(self, news: Condition, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until it holds, asked at each piece of news, but no longer than told; return whether it does."""
        with news:
            return news.wait_for(holds, seconds)
