"""The control table: for each replication, how far it has come and which process runs it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, Self

from botocore.exceptions import ClientError

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.table import TableErrors
from streamjoin.dynamodb.write.tables import MakingClient, ensure_table
from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Entry, Lease, Renewal
from streamjoin.lock.refusal import Place
from streamjoin.lock.view import LockView
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState

KEY: Final = "job"
# How long another process waits before it takes over from one that doesn't say that it lives.
LEASE_SECONDS: Final = 30.0


class ControlClient(MakingClient, Protocol):
    """The calls of boto3's DynamoDB client that a control table needs."""

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        """Call GetItem."""

    def put_item(self, **request: Any) -> Mapping[str, Any]:
        """Call PutItem."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ControlItem:
    """A job's item, the store of its lease (`LeaseStore`); the job's state stands beside the lease.

    Args:
        client: boto3's DynamoDB client.
        table_name: The control table.
        job: The job's name.
        now: The time that the item shows, for people to read.
    """

    is_conditional = True

    def __init__(
        self, client: ControlClient, table_name: str, job: str, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._client, self._table_name, self._job, self._now = client, table_name, job, now
        self.place = Place(
            name=f"control table '{table_name}': job '{job}'",
            use="runs it",
            rule="Two processes can't replicate one job",
            instead="give this one another name",
        )

    def read(self) -> Entry | None:
        """Return the item; None if there is none."""
        with self._errors_of("GetItem"):
            answer = self._client.get_item(TableName=self._table_name, Key={KEY: {"S": self._job}}, ConsistentRead=True)
        item = answer.get("Item")
        if not item:
            return None
        beside = {name: value for name, value in item.items() if name != KEY and not name.startswith("lease_")}
        try:
            # What can't be read must not be written over.
            ControlState.from_item(beside)
            if "lease_owner" not in item:
                return Entry(owner=None, beside=beside)
            owner, renewals = item["lease_owner"]["S"], int(item["lease_renewals"]["N"])
            return Entry(
                owner=owner,
                holder=Holder.from_json(item["lease_holder"]["S"].encode()),
                renewals=renewals,
                seconds=float(item["lease_seconds"]["N"]),
                tag=(owner, renewals),
                beside=beside,
                age_seconds=self._age_seconds(item),
            )
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"{self.place.name}: its item can't be read ({type(error).__name__}: {error}); it has the attributes "
                f"{sorted(item)}. Delete the item to begin with a full load, or set target.dynamodb.control_table to "
                "another table."
            )
            raise SinkError(message) from error

    def write(self, entry: Entry, replacing: Entry | None) -> Entry | None:
        """Write the item unless something else than `replacing` is there by now."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(lease_owner)"}
        if replacing is not None and replacing.owner is not None:
            owner, renewals = {"S": replacing.owner}, {"N": str(replacing.renewals)}
            condition = {
                "ConditionExpression": "lease_owner = :owner AND lease_renewals = :renewals",
                "ExpressionAttributeValues": {":owner": owner, ":renewals": renewals},
            }
        item = {KEY: {"S": self._job}, **entry.beside, **self._lease_attributes(entry)}
        with self._errors_of("PutItem"):
            try:
                self._client.put_item(TableName=self._table_name, Item=item, **condition)
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return replace(entry, tag=(entry.owner, entry.renewals))

    def _age_seconds(self, item: Item) -> float | None:
        renewed_at = item.get("lease_renewed_at", {}).get("S")
        return None if renewed_at is None else (self._now() - datetime.fromisoformat(renewed_at)).total_seconds()

    def _lease_attributes(self, entry: Entry) -> dict[str, dict[str, str]]:
        if entry.owner is None or entry.holder is None:
            return {}
        return {
            "lease_owner": {"S": entry.owner},
            "lease_holder": {"S": entry.holder.to_json().decode()},
            "lease_seconds": {"N": str(entry.seconds)},
            "lease_renewals": {"N": str(entry.renewals)},
            "lease_renewed_at": {"S": self._now().isoformat(timespec="seconds")},
        }

    def _errors_of(self, operation: str) -> AbstractContextManager[None]:
        return control_errors(self._client, self._table_name).of(f"{operation} of job '{self._job}'")


def control_errors(client: ControlClient, table_name: str) -> TableErrors:
    """Return what the errors of calls on a control table become."""
    return TableErrors(
        SinkError,
        f"control table '{table_name}' in region '{client.meta.region_name}'",
        "target.dynamodb.{}",
        missing="Set target.dynamodb.create_tables: true, or create the table with the partition key 'job' (S).",
        throttled="Raise the table's capacity, or make it one that is billed on demand.",
    )


class ControlTable:
    """One job's item: its state, written only by the process that has the job's lease.

    Delivery: the state is written after the items that it covers. A crash between the two leaves items that are newer
    than the state.

    Args:
        client: boto3's DynamoDB client.
        table_name: The control table.
        job: The job's name.
        holder: This process.
        lease_seconds: How long the lease lasts when it isn't renewed.
        clock: Seconds that never go back.
        pause: Waits for so many seconds.
    """

    def __init__(
        self,
        client: ControlClient,
        table_name: str,
        job: str,
        *,
        holder: Holder,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._table_name, self._clock, self._pause = client, table_name, clock, pause
        self._item = ControlItem(client, table_name, job)
        self._lease = Lease(self._item, holder, lease_seconds, now=clock, pause=pause)

    @classmethod
    def of(cls, job: str, table_name: str, client: ControlClient) -> Self:
        """Return the item of a job for this process."""
        return cls(client, table_name, job, holder=Holder.here(job))

    def ensure(self, *, create: bool) -> None:
        """Return when the table is there and can be written.

        Raises:
            SinkError: As `ensure_table`.
        """
        place = {KEY: "S"}
        ensure_table(
            self._client, self._table_name, place, create=create, stream=False, clock=self._clock, sleep=self._pause
        )

    def look(self) -> tuple[ControlState | None, Holder | None]:
        """Return the job's state, None if it has none, and which process had the lease last, None if it gave it back.

        Raises:
            SinkError: The table can't be read.
        """
        state, lock = self.view()
        return state, lock.holder

    def view(self) -> tuple[ControlState | None, LockView]:
        """Return the job's state, None if it has none, and what its lease says.

        Raises:
            SinkError: The table can't be read.
        """
        try:
            found = self._item.read()
        except SinkError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            found = None
        state = ControlState.from_item(found.beside) if found else None
        return state, LockView.of_entry(found, LEASE_SECONDS)

    def acquire(self) -> ControlState | None:
        """Take the lease, and return the job's state; None if it has none. Watches a lease that is there.

        Raises:
            SinkError: Another process has it, or the table can't be read or written.
        """
        return ControlState.from_item(self._lease.take())

    def save(self, state: ControlState) -> None:
        """Write the state; renews the lease.

        Raises:
            SinkError: The lease is no longer ours, and nothing was written; or, retryable, the table can't be written.
        """
        self._lease.renew(state.to_item())

    def check(self) -> None:
        """Return while the lease is ours; renews it when a part of its time has passed. For any thread, often.

        Raises:
            SinkError: As `save`.
        """
        self._lease.keep()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease in the background until the block ends, however long another service doesn't answer."""
        renewal = Renewal(self._lease)
        renewal.start()
        try:
            yield
        finally:
            renewal.stop()

    def release(self) -> None:
        """Give the lease back if it is still ours; never raises."""
        self._lease.release()


def position_of(config: ReplicateConfig) -> dict[str, Any]:
    """Return where a job goes on, and which process runs it, as JSON values; `position` is null if it has none.

    Raises:
        SinkError: The control table can't be read.
    """
    settings = config.target.dynamodb
    client = aws_client("dynamodb", settings.region, settings.role_arn)
    state, holder = ControlTable.of(config.name, settings.control_table, client).look()
    return {
        "control_table": settings.control_table,
        "job": config.name,
        **(state.to_json_values() if state else {"position": None}),
        "lease": str(holder) if holder else None,
    }
