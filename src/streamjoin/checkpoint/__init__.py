"""The job's position, as it stands in the commits of its own table, and what it means to move it."""

from streamjoin.history.change import describe_change
from streamjoin.history.checkpoint import Checkpoint, read, show, to_metadata

__all__ = ["Checkpoint", "describe_change", "read", "show", "to_metadata"]
