"""A reference whose table is scanned, for tests."""

from datetime import UTC, datetime

from streamjoin.reference.followed.reference import Reference
from tests.faults.reference import FakeClock, FakeDynamoDb, FakeSpark, client_error, country, settings

INDIA, FRANCE = country("IN", "India"), country("FR", "France")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Setup:
    def __init__(self, *items, **changes):
        self.client = FakeDynamoDb(items or [INDIA, FRANCE])
        self.clock = FakeClock(NOON)
        self.spark = FakeSpark()
        self.reference = Reference(
            settings(**changes),
            client=self.client,
            spark=self.spark,
            clock=self.clock,
        )

    def fail(self, error):
        self.client.fault = lambda operation, request: error

    def recover(self):
        self.client.fault = lambda operation, request: None

    def after(self, seconds):
        self.clock.advance(seconds)
        return self.reference.current()

    @property
    def failures(self):
        return self.reference.current().failures

    @property
    def scans(self):
        return sum("ExclusiveStartKey" not in request for request in self.client.scans)


THROTTLED = client_error("ThrottlingException")
