"""The follower of a table's stream on both emulators (conftest.py says in what they differ)."""

import time

import boto3
import pytest
from botocore.config import Config

from streamjoin.dynamodb.stream.stream import StreamLostError
from streamjoin.errors import SourceError


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
