"""The follower on two emulators that agree on little but the interface: ministack and DynamoDB Local.

                    ministack 1.5.33                          DynamoDB Local 2.6.1
shards              one, of one fixed id, as long as the      one open, which another follows, with its parent, every
                    stream is on; no parents                  four hours, or when it is told to
closed shards       when the stream is switched off, without  stay listed for days after their records were trimmed
                    an end where there was no record
sequence numbers    30 digits; none listed without records    21 digits, from 1, counted over all tables and shards
time of a change    seconds                                   whole minutes
iterators           of LATEST: decided when opened            likewise
after 24 hours      TrimmedDataAccessException, but the trim  TrimmedDataAccessException also from the trim horizon,
                    horizon gives what is left, silently      ResourceNotFoundException from a closed shard

Neither gives empty pages before records, throttles, splits a shard or pages its listing: tests/faults/stream.py does.
"""

import time

import pytest

from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.shards.position import Position


class Table:
    """A table with a stream, and who follows it by item, from a scan on."""

    def __init__(self, emulator, name, key=(("code", "S"),), view_type="NEW_AND_OLD_IMAGES"):
        self.emulator, self.name, self.key = emulator, name, [attribute for attribute, _ in key]
        self.tables = emulator.tables
        self.tables.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": n, "KeyType": kind} for (n, _), kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": type_} for n, type_ in key],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )
        self.arn = self.tables.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        self.items = {}
        self.new_stream()

    def new_stream(self, **options):
        self.stream = TableStream(self.emulator.streams, self.arn, table_name=self.name, **options)

    def restart(self, position, **options):
        self.new_stream(**options)
        self.stream.start_at(Position.from_json(position.to_json()))

    def rank(self, item):
        return tuple(repr(item[attribute]) for attribute in self.key)

    def put(self, *codes, **others):
        for code in codes:
            self.tables.put_item(TableName=self.name, Item={"code": {"S": str(code)}, **others})

    def content(self):
        pages = self.tables.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        return {self.rank(item): item for page in pages for item in page["Items"]}

    def scan(self):
        self.stream.start_at_tip()
        self.items = self.content()

    def poll(self, **bounds):
        """Poll to the tip, for a minute at most; returns the keys that changed, in order."""
        deadline, changed = time.monotonic() + 60, []
        polled = None
        while polled is None or not polled.at_tip:
            assert time.monotonic() < deadline, "no tip within a minute"
            polled = self.stream.poll(**bounds)
            assert polled.error is None
            for record in polled.records:
                changed.append("/".join(str(*record.keys[attribute].values()) for attribute in self.key))
                if record.new_image is None:
                    self.items.pop(self.rank(record.keys), None)
                else:
                    self.items[self.rank(record.keys)] = record.new_image
        return changed


@pytest.fixture
def make_table(fresh_name):
    return lambda emulator, **options: Table(emulator, fresh_name("table"), **options)


@pytest.fixture
def table(emulator, make_table):
    return make_table(emulator)
