"""What a job is told that can't write a table."""

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.redaction import sdk_text


class HeldError(SinkError):
    """Somebody else writes the table. Not raised for a lock that can't be read or written."""


def held(base_path: str, holder: Holder | None, evidence: str) -> HeldError:
    """Return the error for a table that somebody else writes.

    Args:
        base_path: The table.
        holder: Who; None where that couldn't be read.
        evidence: How it is known.
    """
    who = str(holder) if holder else "another process"
    return HeldError(
        f"table at '{base_path}': {who} writes it: {evidence}. Two jobs can't write one table: stop that one first, or "
        "give this one another sink.hudi.base_path."
    )


def lost(base_path: str, holder: Holder | None, evidence: str) -> SinkError:
    """Return the error for a lock that is no longer ours.

    Args:
        base_path: The table.
        holder: Who has it now; None where nobody does, or that couldn't be read.
        evidence: How it is known.
    """
    who = f"; {holder} has it now" if holder else ""
    return SinkError(
        f"table at '{base_path}': the lock is no longer this job's: {evidence}{who}. Nothing more is committed. Look "
        "that one job alone writes the table, then start it again."
    )


def unusable(base_path: str, error: Exception, *, retryable: bool = True) -> SinkError:
    """Return the error for a lock that can't be read or written."""
    return SinkError(f"table at '{base_path}': its lock can't be written: {sdk_text(error)}", retryable=retryable)
