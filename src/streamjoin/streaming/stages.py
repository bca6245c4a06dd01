"""How long the stages of a batch take."""

import time
from collections.abc import Callable


class Stages:
    """A watch that is read at the end of each stage; a stage that is done again is added up.

    Args:
        clock: Seconds that never go back.

    Attributes:
        seconds: How long each took, by its name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self._clock, self._begun = clock, clock()
        self._since = self._begun

    def done(self, stage: str) -> None:
        """Count the time since the stage before to this one."""
        now = self._clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @property
    def total_seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._begun
