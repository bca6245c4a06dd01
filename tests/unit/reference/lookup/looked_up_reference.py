"""A reference whose items are looked up for each batch, for tests."""

import json
from datetime import UTC, datetime

from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetcher import Fetcher
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from tests.faults.lookup import FakeItemTable, global_index
from tests.faults.reference import FakeClock, client_error, country, settings
from tests.lookup_frames import FakeEvents, FakeSession

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
INDIA, FRANCE = country("IN", "India"), country("FR", "France")
SCHEMA = "code string, countryname string"


class Setup:
    """A reference, its table, and the process in which its tasks run."""

    def __init__(self, *items, table=None, on=None, cores=1, shuffle_partitions=1, event="country string", **changes):
        self.table = FakeItemTable(items or [INDIA, FRANCE]) if table is None else table
        self.clock = FakeClock(NOON)
        self.event = to_spark(parse_schema(event))
        self.fetchers = {}
        changes = {"mode": "lookup", "on": on or {"country": "code"}, "columns": ["countryname"], **changes}
        self.settings = settings(**changes)
        self.reference = LookupReference(
            self.settings,
            client=self.table,
            spark=FakeSession(cores, shuffle_partitions),
            clock=self.clock,
        )

    def fetcher(self, fetching):
        if fetching not in self.fetchers:
            reader = ItemReader(fetching.target, self.table, lambda seconds: None)
            self.fetchers[fetching] = Fetcher(fetching, reader, self.clock)
        return self.fetchers[fetching]

    def events(self, *values):
        rows = [value if isinstance(value, tuple) else (value,) for value in values]
        return FakeEvents([dict(zip(self.event.names, row, strict=True)) for row in rows], self.event)

    def look_up(self, *values, after=0, again=None):
        """Return the next batch's snapshot, or `again`, and its rows by their join key."""
        self.clock.advance(after)
        before, fetch_module.fetcher = fetch_module.fetcher, self.fetcher
        try:
            snapshot = again or self.reference.current()
            side = snapshot.side(self.events(*values))
        finally:
            fetch_module.fetcher = before
        return snapshot, {row[names_index(side)]: row for row in map(tuple, side.rows)}

    def restart(self, metadata):
        it = object.__new__(Setup)
        it.__dict__.update(self.__dict__)
        it.reference = LookupReference(self.settings, client=self.table, spark=FakeSession(), clock=self.clock)
        it.reference.restore(json.loads(json.dumps(metadata)))
        return it

    def fail(self, error=None):
        self.table.fault = lambda operation, request: error or client_error("AccessDeniedException", operation)

    def recover(self):
        self.table.fault = lambda operation, request: None


def names_index(side):
    return len(side.schema.names) - 1


def by_name(*items, project=None):
    return FakeItemTable(
        items,
        indexes={"GlobalSecondaryIndexes": [global_index("by-name", "countryname", project=project)]},
        attribute_types={"countryname": "S"},
    )


INDEXED = {
    "on": {"country": "countryname"},
    "columns": ["code"],
    "dynamodb": {"table_name": "countries", "index_name": "by-name"},
    "schema": SCHEMA,
}
