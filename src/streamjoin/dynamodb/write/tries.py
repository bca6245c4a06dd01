"""How often, and after which pauses, a call that was refused for the moment is sent again."""

from collections.abc import Callable
from typing import Final

from streamjoin.errors import SinkError

# After the SDK's own retries, for a table that grows with what is written takes minutes for it. Each waits up to a
# time that doubles, from the first to the longest.
TRIES_WITHOUT_PROGRESS: Final = 10
_FIRST_WAIT_SECONDS: Final = 0.05
_LONGEST_WAIT_SECONDS: Final = 5.0


class Tries:
    """The tries of one call, or of what is left of it.

    Args:
        sleep: Waits a number of seconds.
        jitter: Gives numbers in [0, 1) that spread the tries of several threads.
    """

    def __init__(self, sleep: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._sleep, self._jitter = sleep, jitter
        self._fruitless = 0

    def start_over(self) -> None:
        """Take note of progress."""
        self._fruitless = 0

    def wait(self, error: SinkError) -> None:
        """Wait before the next try.

        Raises:
            SinkError: `error`: there were enough tries.
        """
        self._fruitless += 1
        if self._fruitless >= TRIES_WITHOUT_PROGRESS:
            raise error
        self._sleep(self._jitter() * min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**self._fruitless))
