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

import sys
import time

import boto3
import pytest
from botocore.config import Config

from streamjoin.dynamodb.stream.stream import StreamLostError, TableStream
from streamjoin.errors import SourceError
from streamjoin.shards.position import Position
from tests.integration.conftest import Emulator

HOUR_SECONDS = 3600


@pytest.fixture
def rotating(local):
    return Emulator(local.client("dynamodb"), local.client("dynamodbstreams"), local)


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


def test_changes_of_every_kind_end_at_the_tables_own_content(table):
    table.put("IN", "FR", "DE")
    table.scan()

    table.put("IN", value={"N": "1"})
    table.put("IN", value={"N": "2"})
    table.tables.delete_item(TableName=table.name, Key={"code": {"S": "FR"}})
    table.tables.update_item(
        TableName=table.name,
        Key={"code": {"S": "DE"}},
        UpdateExpression="SET #v = :v",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":v": {"L": [{"N": "1.50"}, {"NULL": True}, {"S": ""}]}},
    )
    table.tables.batch_write_item(
        RequestItems={table.name: [{"PutRequest": {"Item": {"code": {"S": "ES"}, "value": {"BOOL": False}}}}]}
    )
    table.tables.transact_write_items(
        TransactItems=[{"Put": {"TableName": table.name, "Item": {"code": {"S": "PT"}, "value": {"B": b"\x00\xff"}}}}]
    )

    assert sorted(table.poll()) == ["DE", "ES", "FR", "IN", "IN", "PT"]
    assert table.items == table.content()
    assert len(table.items) == 4


def test_what_was_there_before_the_tip_is_not_given_and_nothing_after_it_is_missed(table):
    table.put("before")
    table.stream.start_at_tip()
    table.put("after")
    assert table.poll() == ["after"]
    assert table.poll() == []


def test_a_write_that_changes_nothing_is_no_change(table):
    table.put("IN", value={"N": "1"})
    table.scan()
    table.put("IN", value={"N": "1"})
    table.put("FR")
    assert table.poll() == ["FR"]


@pytest.mark.parametrize(
    ("view_type", "has_new", "has_old"),
    [
        ("NEW_AND_OLD_IMAGES", True, True),
        ("NEW_IMAGE", True, False),
        ("OLD_IMAGE", False, True),
        ("KEYS_ONLY", False, False),
    ],
)
def test_images_are_those_of_the_view_type(emulator, make_table, view_type, has_new, has_old):
    table = make_table(emulator, view_type=view_type)
    table.stream.start_at_tip()
    table.put("IN", value={"N": "1"})
    table.put("IN", value={"N": "2"})
    table.tables.delete_item(TableName=table.name, Key={"code": {"S": "IN"}})

    records = table.stream.poll().records

    old, new = ({"code": {"S": "IN"}, "value": {"N": value}} for value in "12")
    assert [(r.operation, r.keys, r.new_image, r.old_image) for r in records] == [
        ("INSERT", {"code": {"S": "IN"}}, old if has_new else None, None),
        ("MODIFY", {"code": {"S": "IN"}}, new if has_new else None, old if has_old else None),
        ("REMOVE", {"code": {"S": "IN"}}, None, new if has_old else None),
    ]
    for record in records:
        assert record.created_at_ms is not None
        assert abs(record.created_at_ms / 1000 - time.time()) < 120


@pytest.mark.parametrize("types", [("S", "N"), ("N", "S"), ("B", "B")])
def test_keys_of_every_type_and_composite_ones(emulator, make_table, types):
    values = {"S": ["IN", "ÎÑ"], "N": ["-1.5", "90071992547409931"], "B": [b"\x00", b"\xff\x00"]}
    table = make_table(emulator, key=(("one", types[0]), ("two", types[1])))
    table.scan()
    for one in values[types[0]]:
        for two in values[types[1]]:
            table.tables.put_item(TableName=table.name, Item={"one": {types[0]: one}, "two": {types[1]: two}})
    table.tables.delete_item(
        TableName=table.name, Key={"one": {types[0]: values[types[0]][0]}, "two": {types[1]: values[types[1]][0]}}
    )

    assert len(table.poll()) == 5
    assert table.items == table.content()
    assert len(table.items) == 3


def test_thousands_of_changes_come_page_by_page(table):
    table.scan()
    for start in range(0, 2500, 25):
        requests = [{"PutRequest": {"Item": {"code": {"S": f"{n:04}"}}}} for n in range(start, start + 25)]
        assert not table.tables.batch_write_item(RequestItems={table.name: requests})["UnprocessedItems"]

    first = table.stream.poll(max_records=300)
    assert (len(first.records), first.at_tip) == (300, False)
    rest = table.poll()
    assert sorted([record.keys["code"]["S"] for record in first.records] + rest) == [f"{n:04}" for n in range(2500)]


def test_a_page_ends_at_a_megabyte(table):
    table.scan()
    table.put(*range(20), text={"S": "x" * 200_000})
    assert table.poll() == [str(n) for n in range(20)]
    assert table.items == table.content()


def test_a_later_process_goes_on_at_the_position(table):
    table.scan()
    untouched = table.stream.position
    table.put("IN")
    table.poll()
    position = table.stream.position
    table.put("FR")

    table.restart(position)
    assert table.poll() == ["FR"]
    table.restart(position)
    assert table.poll() == ["FR"]
    table.restart(untouched)
    assert table.poll() == ["IN", "FR"]


def test_a_stream_that_is_switched_off_is_read_to_its_end_and_then_lost(table):
    table.scan()
    table.put("IN")
    position = table.stream.position
    table.tables.update_table(TableName=table.name, StreamSpecification={"StreamEnabled": False})

    polled = table.stream.poll()
    assert ([record.keys["code"]["S"] for record in polled.records], polled.at_tip) == (["IN"], False)
    with pytest.raises(StreamLostError, match="was switched off"):
        table.stream.poll()
    with pytest.raises(StreamLostError, match="was switched off"):
        table.new_stream()
        table.stream.start_at_tip()

    table.tables.update_table(
        TableName=table.name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    )
    table.arn = table.tables.describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    with pytest.raises(StreamLostError, match="of another stream"):
        table.restart(position)
    table.scan()
    table.put("FR")
    assert table.poll() == ["FR"]


def test_the_stream_of_a_deleted_table_is_lost(table):
    table.scan()
    table.put("IN")
    table.tables.delete_table(TableName=table.name)
    with pytest.raises(StreamLostError, match=r"was switched off|found it gone"):
        for _ in range(2):
            table.stream.poll()


def test_a_stream_that_does_not_exist_is_lost(table):
    table.arn = table.arn[:-4] + "9999"
    table.new_stream()
    with pytest.raises(StreamLostError, match=r"DescribeStream found it gone"):
        table.stream.start_at_tip()


def test_a_service_that_cant_be_reached_is_an_error_of_the_poll(table):
    table.scan()
    table.put("IN")
    working = table.emulator.streams
    nowhere = boto3.client(
        "dynamodbstreams",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106  (any will do)
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    table.stream._service._client = nowhere
    polled = table.stream.poll()
    assert isinstance(polled.error, SourceError)
    assert polled.error.retryable
    assert "could not reach the service" in str(polled.error)
    assert (polled.records, polled.at_tip) == ((), False)

    table.stream._service._client = working
    assert table.poll() == ["IN"]


# what DynamoDB Local can do alone: shards follow one another, and time passes


def test_rotated_shards_are_read_parents_first_and_to_the_newest(rotating, make_table):
    table = make_table(rotating)
    table.put("before")
    table.scan()
    for generation in range(4):
        table.put("IN", value={"N": str(generation)})
        rotating.local.rotate_shards()
    table.put("IN", value={"N": "9"})

    assert table.poll() == ["IN"] * 5
    assert table.items == table.content()
    assert len(table.stream.position.shards) == 5
    rotating.local.rotate_shards()
    table.put("FR")
    assert table.poll() == ["FR"]


def test_shards_that_were_rotated_while_stopped_are_read_from_the_position(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    table.put("IN")
    table.poll()
    position = table.stream.position
    for code in ("FR", "DE", "ES"):
        table.put(code)
        rotating.local.rotate_shards()

    table.restart(position)
    assert table.poll() == ["FR", "DE", "ES"]
    table.restart(table.stream.position)
    assert table.poll() == []


def test_empty_shards_are_passed(rotating, make_table):
    table = make_table(rotating)
    for _ in range(3):
        rotating.local.rotate_shards()
    table.scan()
    for _ in range(3):
        rotating.local.rotate_shards()
    table.put("IN")
    assert table.poll() == ["IN"]


def test_expired_iterators_are_opened_again(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    table.put("IN")
    table.poll()
    rotating.local.age(hours=1)
    table.put("FR")
    assert table.poll() == ["FR"]


def test_a_position_whose_records_were_trimmed_is_lost(rotating, make_table):
    table = make_table(rotating)
    table.scan()
    at_trim_horizon = table.stream.position
    table.put("IN")
    table.poll()
    after_a_record = table.stream.position
    table.put("FR")
    rotating.local.age(hours=25)
    table.put("DE")

    for position in (at_trim_horizon, after_a_record):
        table.restart(position)
        with pytest.raises(StreamLostError, match="trimmed unread"):
            table.stream.poll()
        # Without asking: a service may give what is left after the trim horizon and say nothing.
        table.restart(position, clock=lambda: time.time() + 25 * HOUR_SECONDS)
        with pytest.raises(StreamLostError, match="longer ago than the 24 hours"):
            table.stream.poll()
    table.new_stream()
    table.scan()
    table.put("ES")
    assert table.poll() == ["ES"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_dynamodb_local_listens_on_loopback_alone(local):
    listening = set()
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{local.pid}/net/{name}") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        listening |= {row[1] for row in rows if row[3] == "0A"}
    port = f":{int(local.endpoint.rsplit(':', 1)[1]):04X}"
    ours = [address for address in listening if address.endswith(port)]
    assert ours in (["0100007F" + port], ["0000000000000000FFFF00000100007F" + port])
