"""A lock as those look at it who don't want it: who has it, and whether that process lives. Nothing is written."""

from dataclasses import dataclass
from typing import Self

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import bucket_and_key, is_s3, local_path
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Entry
from streamjoin.lock.lease_object import LeaseObject
from streamjoin.lock.refusal import Place, unusable
from streamjoin.lock.table_lock import FILE, LEASE_SECONDS

# Holder and reader may have clocks of their own, and a renewal may take its time.
_SLACK_SECONDS = 5.0


@dataclass(frozen=True)
class LockView:
    """What a lock says.

    Args:
        holder: Who took it and didn't give it back; None: it is free.
        is_alive: Whether that process lives; None if that can't be told from here.
        evidence: How that is known, in a few words.
    """

    holder: Holder | None = None
    is_alive: bool | None = None
    evidence: str = ""

    @classmethod
    def of_entry(cls, entry: Entry | None, lease_seconds: float) -> Self:
        """Return what a lease says: its holder renews it for as long as it lives."""
        if entry is None or entry.holder is None or entry.owner is None:
            return cls()
        if entry.holder.is_dead():
            return cls(entry.holder, is_alive=False, evidence="its process is gone")
        age_seconds, lasts_seconds = entry.age_seconds, entry.seconds or lease_seconds
        if age_seconds is None:
            return cls(entry.holder, evidence="when it was renewed isn't known")
        is_alive = age_seconds <= lasts_seconds + _SLACK_SECONDS
        return cls(entry.holder, is_alive=is_alive, evidence=f"renewed {max(0.0, age_seconds):.0f} s ago")


def look(base_path: str) -> LockView:
    """Return what the lock in a base path says; free if there is none.

    Raises:
        SinkError: It can't be read.
    """
    place = Place.of_table(base_path)
    if is_s3(base_path):
        bucket, key = bucket_and_key(base_path)
        return LockView.of_entry(LeaseObject(place, aws_client("s3"), bucket, f"{key}/{FILE}").read(), LEASE_SECONDS)
    try:
        holder = Holder.from_json((local_path(base_path) / FILE).read_bytes())
    except FileNotFoundError:
        return LockView()
    except OSError as error:
        raise unusable(place, error) from error
    if holder is None:
        return LockView()
    if not holder.is_here():
        return LockView(holder, evidence="it isn't a process of this machine, or the machine was started since")
    is_alive = not holder.is_dead()
    return LockView(holder, is_alive=is_alive, evidence="its process runs" if is_alive else "its process is gone")
