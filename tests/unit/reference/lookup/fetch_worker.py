"""A process that fetches items, for tests."""

from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import unpack
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetcher import Fetcher, Fetching, FetchReport
from tests.faults.lookup import target_of
from tests.faults.reference import FakeClock, client_error, country

COUNTRIES = [country(f"C{number:05}", f"country {number}", area={"N": str(number)}) for number in range(1_000)]
FREE = ReadUnits(None)


class Worker:
    """A process: its fetcher, whose clock and waits are the test's."""

    def __init__(self, table, *, reuse_seconds=60.0, max_staleness_seconds=300.0, max_cached_items=100_000, **target):
        self.table, self.clock = table, FakeClock()
        fetching = Fetching(target_of(table, **target), reuse_seconds, max_staleness_seconds, max_cached_items)
        table.calls.clear()
        self.fetching = fetching
        reader = ItemReader(fetching.target, table, lambda seconds: None)
        self.fetcher = Fetcher(fetching, reader, self.clock)

    def fetch(self, *codes, pace=FREE):
        """Return the names found, and what the fetching came to."""
        end = FetchReport()
        found = list(self.fetcher.fetch([(code,) for code in codes], pace, end))
        return sorted(unpack(item)["countryname"]["S"] for known in found for item in known.items), end

    def fail(self, error=None):
        self.table.fault = lambda operation, request: error or client_error("AccessDeniedException", operation)

    def recover(self):
        self.table.fault = lambda operation, request: None

    @property
    def calls(self):
        return len(self.table.calls)
