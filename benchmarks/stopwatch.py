"""Where the time of a batch goes."""

import time
from collections.abc import Callable


class Stopwatch:
    """Seconds by step.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = self._last = clock()
        self.laps: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """End `step`: it took the time since the last one ended."""
        now = self._clock()
        self.laps[step] = self.laps.get(step, 0.0) + now - self._last
        self._last = now

    @property
    def seconds(self) -> float:
        """From the start to the end of the last step."""
        return self._last - self._started
