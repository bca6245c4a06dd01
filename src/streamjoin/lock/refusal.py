"""What a job is told that can't have a lock."""

from dataclasses import dataclass
from typing import Self

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.redaction import sdk_text


@dataclass(frozen=True)
class Place:
    """What is locked, as messages name it.

    Args:
        name: Such as "table at 's3://…'".
        use: What its holder does with it.
        rule: Why one alone may.
        instead: What else the second may do than wait.
    """

    name: str
    use: str
    rule: str
    instead: str

    @classmethod
    def of_table(cls, base_path: str) -> Self:
        """Return the table at a base path."""
        return cls(
            name=f"table at '{base_path}'",
            use="writes it",
            rule="Two jobs can't write one table",
            instead="give this one another sink.hudi.base_path",
        )

    @classmethod
    def of_letters(cls, base_path: str) -> Self:
        """Return the dead letters at a base path."""
        return cls(
            name=f"dead letters at '{base_path}'",
            use="writes them",
            rule="Two jobs can't write one table of dead letters",
            instead="give this one another dead_letters.base_path",
        )

    @classmethod
    def of_journal(cls, base_path: str) -> Self:
        """Return the journal at a base path."""
        return cls(
            name=f"journal at '{base_path}'",
            use="writes it",
            rule="Two jobs can't have one journal",
            instead="give this one another journal.base_path",
        )

    @classmethod
    def of_backfill(cls, base_path: str) -> Self:
        """Return the backfill of the table at a base path."""
        return cls(
            name=f"backfill of the table at '{base_path}'",
            use="does it",
            rule="A table is filled by one backfill at a time",
            instead="wait until it has ended",
        )

    @classmethod
    def of_services(cls, base_path: str) -> Self:
        """Return the services of the table at a base path."""
        return cls(
            name=f"services of the table at '{base_path}'",
            use="carries them out",
            rule="Two processes can't carry out one plan",
            instead="wait until it is done",
        )


class HeldError(SinkError):
    """Another process has the lock. Not raised for a lock that can't be read or written."""


def held(place: Place, holder: Holder | None, evidence: str, *, refused: Holder) -> HeldError:
    """Return the error for a lock that another process has.

    Args:
        place: What is locked.
        holder: Who; None if that couldn't be read.
        evidence: How it is known.
        refused: This process.
    """
    who = str(holder) if holder else "another process"
    remedy = f"{place.rule}: stop that one first, or {place.instead}"
    if holder and holder.job_name == refused.job_name:
        remedy = (
            f"It is the same job, of which one process alone may run, be it a redrive: wait until '{holder.job}' has "
            f"ended, or stop it; then start '{refused.job}' again"
        )
    return HeldError(f"{place.name}: {who} {place.use}: {evidence}. {remedy}.")


def lost(place: Place, holder: Holder | None, evidence: str) -> SinkError:
    """Return the error for a lock that is no longer ours.

    Args:
        place: What was locked.
        holder: Who has it now; None if no process does, or that couldn't be read.
        evidence: How it is known.
    """
    who = f"; {holder} has it now" if holder else ""
    return SinkError(
        f"{place.name}: the lock is no longer this job's: {evidence}{who}. Nothing more is committed. Look that one "
        f"process alone {place.use}, then start it again."
    )


def unusable(place: Place, error: Exception, *, retryable: bool = True) -> SinkError:
    """Return the error for a lock that can't be read or written."""
    message = f"{place.name}: its lock can't be read or written: {sdk_text(error)}. Look that this job may do both."
    return SinkError(message, retryable=retryable)
