"""How long to wait before a call that failed is made again, and how often it is."""

import random
import time
from collections.abc import Callable
from typing import Final

from streamjoin.errors import StreamJoinError

# Anything waited for is shorter by then; 2.0**1024 is no number any more.
_MOST_DOUBLINGS: Final = 60


def back_off_seconds(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """Return how long to wait at most: a time that doubles, however many failures there are.

    Args:
        failures: How many there were in a row before the last one, as 0 before the first wait.
        first_seconds: The wait after the first.
        longest_seconds: The bound.
    """
    return min(longest_seconds, first_seconds * 2.0 ** min(failures, _MOST_DOUBLINGS))


class Tries:
    """The tries of one call, or of what is left of it, after the SDK's own: so many in a row without progress.

    Each waits up to a time that doubles, up to five seconds.

    Args:
        most: How many there are without progress.
        sleep: Waits a number of seconds.
        jitter: Gives numbers in [0, 1) that spread the tries of several threads.
    """

    def __init__(
        self,
        most: int,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._most, self._sleep, self._jitter = most, sleep, jitter
        self._fruitless = 0

    def start_over(self) -> None:
        """Take note of progress."""
        self._fruitless = 0

    def wait(self, error: StreamJoinError, *, progressed: bool = False) -> None:
        """Wait before the next try.

        Args:
            error: Why it is needed.
            progressed: Whether the last try did a part of the work.

        Raises:
            StreamJoinError: `error`: there were enough tries.
        """
        self._fruitless = 0 if progressed else self._fruitless + 1
        if self._fruitless >= self._most:
            raise error
        self._sleep(self._jitter() * back_off_seconds(self._fruitless, 0.05, 5.0))
