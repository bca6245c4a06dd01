"""Who follows a table's stream, for tests."""

from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.shards.position import Position
from tests.faults.reference import FakeClock
from tests.faults.stream import FakeTableStream

HOUR_SECONDS = 3600


def item(code, value=0):
    return {"code": {"S": str(code)}, "value": {"N": str(value)}}


def key(code):
    return {"code": {"S": str(code)}}


class Job:
    """Who follows a table: scans at `scan`, applies what polls give; `restart` is a new process at an old position."""

    def __init__(self, *, scan=True, **stream):
        self.clock = FakeClock()
        self.table = FakeTableStream(clock=self.clock, **stream)
        self.numbers = []
        self.new_stream()
        if scan:
            self.scan()

    @property
    def shard(self):
        return next(iter(self.table.shards))

    def new_stream(self):
        self.stream = TableStream(
            self.table, self.table.arn, table_name="countries", clock=self.clock, sleep=self.clock.advance
        )

    def scan(self):
        self.stream.start_at_tip()
        self.items = {each["code"]["S"]: each for each in self.table.items}

    def poll(self, **bounds):
        polled = self.stream.poll(**bounds)
        for record in polled.records:
            self.numbers.append(record.sequence_number)
            if record.new_image is None:
                self.items.pop(record.keys["code"]["S"], None)
            else:
                self.items[record.keys["code"]["S"]] = record.new_image
        return polled

    def restart(self, position=None):
        text = (position or self.stream.position).to_json()
        self.new_stream()
        self.stream.start_at(Position.from_json(text))

    def put(self, *codes):
        for code in codes:
            self.table.put(item(code))

    def change(self, count):
        """Put so many changes into the stream alone."""
        for n in range(count):
            self.table.record("INSERT", key(n), item(n), None)

    def codes(self, polled):
        return [record.keys["code"]["S"] for record in polled.records]

    def places(self):
        return {shard_id: str(place) for shard_id, place in self.stream.position.shards.items()}

    def fail(self, error, operation="GetRecords", **request):
        self.table.fault = lambda called, given: (
            error if called == operation and request.items() <= given.items() else None
        )

    def heal(self):
        self.table.fault = lambda operation, request: None
