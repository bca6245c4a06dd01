"""Leases on fakes of both stores, by a fake clock: what is shown of one holds for the other."""

from dataclasses import replace
from typing import Any, Protocol

from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease, LeaseStore
from streamjoin.lock.lease_object import LeaseObject
from streamjoin.lock.refusal import Place
from streamjoin.replicate.control_table import ControlItem
from tests.faults.items import LOST, THROTTLED, FakeTables, Fault
from tests.faults.sink import FakeBucket, FakeTime, access_denied, slow_down

LEASE_SECONDS = 20.0
BASE_PATH, KEY = "s3://bucket/lake/t", "lake/t/.streamjoin_lock"
TABLE, JOB = "streamjoin_replication", "country"


class Leases(Protocol):
    """A store, and whatever goes wrong with it."""

    time: FakeTime
    refused: str
    throttled: str

    def store(self) -> LeaseStore:
        """Return the store as a new process opens it."""

    def text(self) -> str:
        """Return what is stored."""

    def lose_answers(self, count: int) -> None:
        """Let the next writes happen, but answer as if the connection had been lost."""

    def fail(self, *, for_good: bool) -> None:
        """Let the next call be refused, for good or for now."""

    def clear(self) -> None:
        """Delete the lease."""

    def between(self, happens: Any) -> None:
        """Let something happen right before the next write."""


class ObjectLeases:
    """An object on S3."""

    refused, throttled = "AccessDenied", "SlowDown"

    def __init__(self, conditions: str = "heeded") -> None:
        self.time, self.bucket = FakeTime(), FakeBucket(conditions)

    def store(self) -> LeaseObject:
        return LeaseObject(Place.of_table(BASE_PATH), self.bucket, "bucket", KEY)

    def text(self) -> str:
        return self.bucket.objects[KEY].decode()

    def lose_answers(self, count: int) -> None:
        self.bucket.lose_answers(count)

    def fail(self, *, for_good: bool) -> None:
        self.bucket.fail(access_denied if for_good else slow_down)

    def clear(self) -> None:
        self.bucket.objects.clear()

    def between(self, happens: Any) -> None:
        put = self.bucket.put_object

        def put_object(**request: Any) -> Any:
            self.bucket.put_object = put  # type: ignore[method-assign]
            happens()
            return put(**request)

        self.bucket.put_object = put_object  # type: ignore[method-assign]


class ItemLeases:
    """An item of DynamoDB."""

    refused, throttled = "AccessDeniedException", "throttled"

    def __init__(self) -> None:
        self.time, self.tables = FakeTime(), FakeTables({TABLE: {"job": "S"}})

    def store(self) -> ControlItem:
        return ControlItem(self.tables, TABLE, JOB)

    def text(self) -> str:
        return str(self.tables.items(TABLE))

    def lose_answers(self, count: int) -> None:
        self.tables.fail(*[LOST] * count, operation="PutItem")

    def fail(self, *, for_good: bool) -> None:
        self.tables.fail(Fault(code="AccessDeniedException") if for_good else THROTTLED)

    def clear(self) -> None:
        self.tables.tables[TABLE].items.clear()

    def between(self, happens: Any) -> None:
        def next_fault(operation: str) -> Fault:
            if operation == "PutItem":
                self.tables.next_fault = lambda operation: Fault()
                happens()
            return Fault()

        self.tables.next_fault = next_fault


STORES = (ObjectLeases, ItemLeases)


def lease(leases: Leases, job: str = "orders", *, look_seconds: float | None = None, **holder: Any) -> Lease:
    """Return the lease as a process of a job has it; as from elsewhere, so that whether it lives can't be asked."""
    who = replace(Holder.here(job), **{"place": None, **holder})
    time = leases.time
    return Lease(leases.store(), who, LEASE_SECONDS, now=time.now, pause=time.pause, look_seconds=look_seconds)
