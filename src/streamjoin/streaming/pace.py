"""How large the next batch may be, so that a batch takes about as long as the user wants."""

from dataclasses import dataclass, replace

from streamjoin.kinesis.plan import BatchLimits

_GROWTH = 1.25
_MARGIN = 0.8
_NEARLY_EMPTY = 0.1
_FEWEST_RECORDS = 500
_FEWEST_BYTES = 1024 * 1024
# The first batches of a process load Hudi's classes: what they take says nothing of the next ones.
_WARM_UP_BATCHES = 2


@dataclass
class Pace:
    """Adapts the limits of a batch: grows slowly, shrinks fast, never beyond the configured limits.

    Args:
        most: The configured limits.
        target_seconds: How long a batch should take; None: the limits stay as configured.
    """

    most: BatchLimits
    target_seconds: float | None

    def __post_init__(self) -> None:
        self.limits = self.most
        self._batches = 0

    def took(self, records: int, seconds: float) -> None:
        """Take note of a batch, and set `limits` for the next."""
        self._batches += 1
        if self.target_seconds is None or self._batches <= _WARM_UP_BATCHES or records == 0:
            return
        filled = records / self.limits.records
        if seconds > self.target_seconds:
            # A slow batch that was nearly empty was slow for another reason: fewer records would not help it.
            if filled >= _NEARLY_EMPTY:
                self._set(min(1.0, filled) * _MARGIN * self.target_seconds / seconds)
        elif filled >= _MARGIN:
            self._set(_GROWTH)

    def _set(self, factor: float) -> None:
        self.limits = replace(
            self.limits,
            records=min(self.most.records, max(_FEWEST_RECORDS, int(self.limits.records * factor))),
            bytes=min(self.most.bytes, max(_FEWEST_BYTES, int(self.limits.bytes * factor))),
        )
