"""The control table: for each replication, how far it has come and which process runs it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.dynamodb.write.tables import TableClient, ensure_table
from streamjoin.errors import SinkError
from streamjoin.replicate.control_lease import LeaseEntry, LeaseOwner, described, held, lost, unreadable
from streamjoin.replicate.control_state import ControlState, LoadProgress

__all__ = ["ControlState", "ControlTable", "LoadProgress"]

log = logging.getLogger(__name__)

KEY: Final = "job"
_RENEWALS_IN_A_LEASE: Final = 5
_FREE: Final[Mapping[str, Any]] = {"ConditionExpression": "attribute_not_exists(lease_owner)"}


class ControlClient(TableClient, Protocol):
    """The calls of boto3's DynamoDB client that a control table needs."""

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        """Call GetItem."""

    def put_item(self, **request: Any) -> Mapping[str, Any]:
        """Call PutItem."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ControlTable:
    """One job's item: its state, and a lease that lasts as long as it is renewed.

    Nobody compares clocks: who finds a lease watches it for as long as it lasts, by its own clock. It was renewed, so
    somebody lives; it wasn't, so it is taken by a write that fails when it was renewed after all. For the same reason a
    process that was paused learns by its next write that the lease is no longer its own.

    Delivery: the state is written after the items that it covers, and only by the holder of the lease. A crash between
    the two leaves items that are newer than the state.

    Args:
        client: boto3's DynamoDB client.
        table_name: The control table.
        job: The job's name.
        owner: This process.
        clock: Seconds that never go back.
        pause: Waits for so many seconds.
        now: The time that the item shows.
    """

    def __init__(
        self,
        client: ControlClient,
        table_name: str,
        job: str,
        *,
        owner: LeaseOwner,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._client, self._table_name, self._job, self._owner = client, table_name, job, owner
        self._clock, self._pause, self._now = clock, pause, now
        # Invariant: `_lease` is what we wrote last, `_state` beside it; None where the lease isn't ours. One thread at
        # a time writes.
        self._lease: LeaseEntry | None = None
        self._state: ControlState | None = None
        self._renewed_at_seconds = 0.0
        self._writing = threading.RLock()

    def ensure(self, *, create: bool) -> None:
        """Return when the table is there and can be written.

        Raises:
            SinkError: As `ensure_table`.
        """
        ensure_table(
            self._client,
            self._table_name,
            {KEY: "S"},
            create=create,
            stream=False,
            clock=self._clock,
            sleep=self._pause,
        )

    def read(self) -> ControlState | None:
        """Return the job's state, whoever runs it; None where it has none.

        Raises:
            SinkError: The table can't be read.
        """
        return self._read()[0]

    def acquire(self, lease_seconds: float) -> ControlState | None:
        """Take the lease, and return the job's state; None where it has none. Watches a lease that is there.

        Args:
            lease_seconds: How long the lease lasts when it isn't renewed.

        Raises:
            SinkError: Somebody else has it, or the table can't be read or written.
        """
        watched: LeaseEntry | None = None
        since_seconds = self._clock()
        with self._writing:
            self._lease = None
            while True:
                state, found = self._read()
                if found is None or found.owner == self._owner.owner or self._is_dead(found):
                    free = True
                elif watched is None:
                    watched, since_seconds, free = found, self._clock(), False
                    who = described(found, self._owner)
                    log.info("%s is held by %s: watching for %.0f s", self._where, who, found.lease_seconds)
                elif found != watched:
                    raise held(self._where, described(found, self._owner))
                else:
                    free = self._clock() - since_seconds >= watched.lease_seconds
                if free and self._claim(state, found, lease_seconds):
                    return state
                if not free:
                    self._pause(found.lease_seconds / _RENEWALS_IN_A_LEASE if found else 0.0)

    def save(self, state: ControlState) -> None:
        """Write the state; renews the lease.

        Raises:
            SinkError: The lease is no longer ours, and nothing was written; or, retryable, the table can't be written.
        """
        with self._writing:
            self._renew_with(state)

    def renew(self) -> None:
        """Say that this process lives.

        Raises:
            SinkError: As `save`.
        """
        with self._writing:
            self._renew_with(self._state)

    def check(self) -> None:
        """Return while the lease is ours; renews it when a part of its time has passed. For any thread, often.

        Raises:
            SinkError: As `save`.
        """
        with self._writing:
            lease = self._lease
            if lease is None:
                raise lost(self._where, described(self._read()[1], self._owner))
            if self._clock() - self._renewed_at_seconds >= lease.lease_seconds / _RENEWALS_IN_A_LEASE:
                self._renew_with(self._state)

    def release(self) -> None:
        """Give the lease back where it is still ours; never raises."""
        with self._writing:
            lease, self._lease = self._lease, None
            if lease is None:
                return
            try:
                if not self._put(self._item(self._state, None), self._ours()):
                    log.warning("%s was taken by somebody else before it was given back", self._where)
            except SinkError as error:
                log.warning("%s was not given back, it ends by itself: %s", self._where, error)

    def _renew_with(self, state: ControlState | None) -> None:
        if self._lease is None:
            raise lost(self._where, described(self._read()[1], self._owner))
        renewed = self._lease.renewed(self._time())
        if not self._write(state, renewed, self._ours()):
            self._lease = None
            raise lost(self._where, described(self._read()[1], self._owner))

    def _claim(self, state: ControlState | None, found: LeaseEntry | None, lease_seconds: float) -> bool:
        """Write the lease in place of `found`; tell whether nobody was faster."""
        lease = LeaseEntry(
            owner=self._owner.owner,
            holder=self._owner.to_json().decode(),
            lease_seconds=lease_seconds,
            # Goes on from the former one's, so that no two states of the item are alike.
            renewals=found.renewals + 1 if found else 0,
            renewed_at=self._time(),
        )
        return self._write(state, lease, found.unchanged() if found else _FREE)

    def _write(self, state: ControlState | None, lease: LeaseEntry, condition: Mapping[str, Any]) -> bool:
        started_seconds = self._clock()
        if not self._put(self._item(state, lease), condition):
            return False
        self._state, self._lease, self._renewed_at_seconds = state, lease, started_seconds
        return True

    def _put(self, item: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
        """Write the item; tell whether the condition held."""
        with self._errors_of("PutItem"):
            try:
                self._client.put_item(TableName=self._table_name, Item=item, **condition)
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def _read(self) -> tuple[ControlState | None, LeaseEntry | None]:
        with self._errors_of("GetItem"):
            answer = self._client.get_item(TableName=self._table_name, Key={KEY: {"S": self._job}}, ConsistentRead=True)
        item = answer.get("Item") or {}
        try:
            return ControlState.from_item(item), LeaseEntry.from_item(item)
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._where, error, item) from error

    def _item(self, state: ControlState | None, lease: LeaseEntry | None) -> dict[str, Any]:
        return {
            KEY: {"S": self._job},
            **(state.to_item() if state else {}),
            **(lease.to_item() if lease else {}),
        }

    def _ours(self) -> dict[str, Any]:
        return {
            "ConditionExpression": "lease_owner = :owner",
            "ExpressionAttributeValues": {":owner": {"S": self._owner.owner}},
        }

    def _is_dead(self, found: LeaseEntry) -> bool:
        holder = self._owner.from_json(found.holder.encode())
        is_dead = holder is not None and holder.is_dead()
        if is_dead:
            log.warning("%s: %s has ended without giving it back", self._where, holder)
        return is_dead

    def _time(self) -> str:
        return self._now().isoformat(timespec="seconds")

    @property
    def _where(self) -> str:
        return f"control table '{self._table_name}': the lease of job '{self._job}'"

    def _errors_of(self, operation: str) -> AbstractContextManager[None]:
        remedies = Remedies(
            missing="Set target.dynamodb.create_tables: true, or create the table with the partition key 'job' (S).",
            denied=(
                f"Allow dynamodb:{operation} on the table to the job's role, or set target.dynamodb.role_arn to a role "
                "that has it."
            ),
            throttled="Raise the table's capacity, or make it one that is billed on demand.",
            unreachable="Check the network, the credentials, target.dynamodb.region and AWS_ENDPOINT_URL.",
        )
        region = self._client.meta.region_name
        failed = f"control table '{self._table_name}' in region '{region}': {operation} of job '{self._job}'"
        return translated(SinkError, failed, remedies)
