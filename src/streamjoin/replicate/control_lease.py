"""Who may write a job's item in the control table, as the item itself says it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from streamjoin.dynamodb.service import Item
from streamjoin.errors import SinkError


class LeaseOwner(Protocol):
    """A process that can hold a lease: what `streamjoin.lock.holder.Holder` is, which this layer doesn't know."""

    @property
    def owner(self) -> str:
        """Random; tells a process from all others."""

    def to_json(self) -> bytes:
        """Return it as it is stored."""

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        """Read what `to_json` gave; None where it isn't that."""

    def is_dead(self) -> bool:
        """Tell whether the process has certainly ended."""


@dataclass(frozen=True)
class LeaseEntry:
    """A lease.

    Args:
        owner: Whose it is: `LeaseOwner.owner`.
        holder: Who that is, in JSON.
        lease_seconds: How long it lasts when it isn't renewed.
        renewals: How often it was; grows with every write of the item.
        renewed_at: When, by the holder's clock, in ISO 8601; for people to read, nobody compares clocks.
    """

    owner: str
    holder: str
    lease_seconds: float
    renewals: int
    renewed_at: str

    def renewed(self, at: str) -> Self:
        """Return it with one more renewal."""
        return replace(self, renewals=self.renewals + 1, renewed_at=at)

    def to_item(self) -> dict[str, dict[str, str]]:
        """Return the lease's attributes."""
        return {
            "lease_owner": {"S": self.owner},
            "lease_holder": {"S": self.holder},
            "lease_seconds": {"N": str(self.lease_seconds)},
            "lease_renewals": {"N": str(self.renewals)},
            "lease_renewed_at": {"S": self.renewed_at},
        }

    @classmethod
    def from_item(cls, item: Item) -> Self | None:
        """Read what `to_item` gave; None where nobody has the lease.

        Raises:
            ValueError, KeyError, TypeError: Somebody else wrote it.
        """
        if "lease_owner" not in item:
            return None
        return cls(
            owner=item["lease_owner"]["S"],
            holder=item["lease_holder"]["S"],
            lease_seconds=float(item["lease_seconds"]["N"]),
            renewals=int(item["lease_renewals"]["N"]),
            renewed_at=item["lease_renewed_at"]["S"],
        )

    def unchanged(self) -> dict[str, Any]:
        """Return the condition of a write that this lease is still there as it is."""
        return {
            "ConditionExpression": "lease_owner = :owner AND lease_renewals = :renewals",
            "ExpressionAttributeValues": {":owner": {"S": self.owner}, ":renewals": {"N": str(self.renewals)}},
        }


def described(entry: LeaseEntry | None, kind: LeaseOwner) -> str:
    """Return who has a lease, as messages name it.

    Args:
        entry: The lease.
        kind: Any owner: it knows how to read another.
    """
    if entry is None:
        return "nobody"
    holder = kind.from_json(entry.holder.encode())
    return f"{holder or 'another process'}, which last renewed it at {entry.renewed_at}"


def held(where: str, who: str) -> SinkError:
    """Return the error for a job that somebody else runs."""
    return SinkError(
        f"{where} is held by {who}. Two processes can't replicate one job: stop that one first, or give this one "
        "another name."
    )


def lost(where: str, who: str) -> SinkError:
    """Return the error for a lease that is no longer ours."""
    return SinkError(
        f"{where} is no longer held by this process but by {who}. Nothing more is written. Look that one process alone "
        "runs the job, then start it again."
    )


def unreadable(where: str, error: Exception, values: Mapping[str, Any]) -> SinkError:
    """Return the error for an item that this version can't read."""
    return SinkError(
        f"{where} can't be read ({type(error).__name__}: {error}); it has the attributes {sorted(values)}. Delete the "
        "item to begin with a full load, or set target.dynamodb.control_table to another table."
    )
