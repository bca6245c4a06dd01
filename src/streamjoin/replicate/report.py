"""What a batch of a replication did, in numbers: one log line, no value of a row."""

from dataclasses import dataclass

from streamjoin.dynamodb.write.items import WriteCounts
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.job import position_of


@dataclass(frozen=True)
class ReplicationReport:
    """What a batch did.

    Args:
        job: The job's name.
        changes: Changes of rows and tables that it had.
        counts: What became of the items.
        dead_letters: Rows that can't be items.
        lag_seconds: Age of its newest change, by the server's clock, when its position was saved.
        is_replay: Whether it may have been written before.
        state: What was saved.
        seconds: From its first step to the last.
    """

    job: str
    changes: int
    counts: WriteCounts
    dead_letters: int
    lag_seconds: float
    is_replay: bool
    state: ControlState
    seconds: float

    def line(self) -> str:
        """Return the report as `key=value` pairs."""
        pairs = {
            "job": self.job,
            "changes": self.changes,
            "puts": self.counts.puts,
            "deletes": self.counts.deletes,
            "superseded": self.counts.superseded,
            "dead_letters": self.dead_letters,
            "lag_seconds": f"{self.lag_seconds:.2f}",
            "position": str(position_of(self.state)).replace(" ", ""),
            "replay": str(self.is_replay).lower(),
            "seconds": f"{self.seconds:.3f}",
        }
        return " ".join(f"{key}={value}" for key, value in pairs.items())
