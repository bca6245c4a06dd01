import socket
import uuid
from decimal import Decimal

import boto3
import pytest
from botocore.config import Config

from streamjoin.enrich.notebook import load_reference
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, infer_types
from streamjoin.reference.followed.layout import lay_out
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.rows import build_rows
from streamjoin.reference.table import describe, scan
from streamjoin.schema.ddl import parse_schema
from tests.faults.reference import FakeClock, FakeSpark, country, packed, settings


@pytest.fixture(scope="module")
def emulator_endpoint(stack):
    return stack.endpoint


def _client(endpoint):
    # One try only: what can't be reached should say so at once.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, max_pool_connections=16)
    return boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1", config=config)


@pytest.fixture(scope="module")
def client(emulator_endpoint):
    return _client(emulator_endpoint)


@pytest.fixture
def make_table(client):
    def make(items, key=(("code", "S"),), **options):
        name = f"table-{uuid.uuid4().hex[:12]}"
        kinds = ("HASH", "RANGE")
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": n, "KeyType": kind} for (n, _), kind in zip(key, kinds, strict=False)],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": type_} for n, type_ in key],
            BillingMode="PAY_PER_REQUEST",
            **options,
        )
        for start in range(0, len(items), 25):
            batch = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            assert not client.batch_write_item(RequestItems={name: batch})["UnprocessedItems"]
        return name

    return make


@pytest.fixture(scope="module")
def many_items():
    return [country(f"C{n:05}", f"country {n}", text={"S": "x" * 1000}) for n in range(3000)]


@pytest.mark.parametrize("segments", [1, 4])
def test_a_table_of_several_megabytes_is_read_whole(client, make_table, many_items, segments):
    name = make_table(many_items)

    result = scan(client, name, ["code", "text"], keep=dict, segments=segments)

    # 3 MB: one page, which is all that a Scan without paging gives, would be a third of it.
    assert result.pages >= max(3, segments)
    assert sorted(item["code"]["S"] for item in result.items) == [item["code"]["S"] for item in many_items]
    assert result.consumed_read_units > 0


def test_one_page_is_not_the_whole_table_on_this_emulator_either(client, make_table, many_items):
    page = client.scan(TableName=make_table(many_items))

    assert len(page["Items"]) < 3000
    assert "LastEvaluatedKey" in page


def test_describe_gives_composite_keys_and_the_stream(client, make_table):
    name = make_table(
        [],
        key=(("code", "S"), ("countryname", "S")),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )

    table = describe(client, name)

    assert [(each.name, each.type) for each in table.key] == [("code", "S"), ("countryname", "S")]
    assert table.stream_view_type == "NEW_AND_OLD_IMAGES"
    assert table.stream_arn is not None
    assert name in table.stream_arn
    assert describe(client, make_table([])).stream_arn is None


def test_all_types_and_reserved_names_make_the_trip(client, make_table):
    digits = "-1234567890123456789012345678.0123456789"
    item = {
        "code": {"S": "IN"},
        "name": {"S": ""},
        "size": {"N": digits},
        "count": {"N": "9007199254740993"},
        "date": {"B": b"\x00\xff"},
        "status": {"BOOL": True},
        "value": {"NULL": True},
        "a.b": {"SS": ["b", "a"]},
        "a-b": {"NS": ["10", "9"]},
        "users": {"BS": [b"\xff", b"\x00"]},
        "list": {"L": [{"N": digits}, {"S": ""}, {"NULL": True}]},
        "map": {"M": {"b": {"BOOL": False}, "a": {"L": []}}},
    }
    name = make_table([item, {"code": {"S": "FR"}}])
    layout = lay_out({"code": "code"}, {each: each for each in item if each != "code"})
    items = scan(client, name, layout.attributes, keep=dict).items

    described = describe(client, name)
    inferred = build_rows(
        packed(items, described), described, layout, infer_types(items, layout, NOTHING_KNOWN), fail_on_duplicate=True
    )
    declared = build_rows(
        packed(items, described),
        described,
        layout,
        parse_schema(
            "code string, name string, size decimal(38,10), count bigint, date binary, status boolean, value date, "
            "`a.b` array<string>, `a-b` array<int>, users array<binary>, list string, "
            "map struct<a:array<int>,b:boolean>"
        ),
        fail_on_duplicate=True,
    )

    expected = {
        "code": "IN",
        "name": "",
        "size": Decimal(digits),
        "count": 9007199254740993,
        "date": b"\x00\xff",
        "status": True,
        "value": None,
        "a.b": '["a","b"]',
        "a-b": "[9,10]",
        "users": '["AA==","/w=="]',
        "list": f'[{digits},"",null]',
        "map": '{"a":[],"b":false}',
    }
    by_code = {row["code"]: row for row in inferred.table.to_pylist()}
    assert by_code == {"IN": expected, "FR": dict.fromkeys(item) | {"code": "FR"}}
    assert {row["code"]: row for row in declared.table.to_pylist()}["IN"] == expected | {
        "a.b": ["a", "b"],
        "a-b": [9, 10],
        "users": [b"\x00", b"\xff"],
        "map": {"a": [], "b": False},
    }


def test_an_empty_table_is_an_empty_snapshot(client, make_table):
    config = settings(dynamodb={"table_name": make_table([])})

    snapshot = Reference(config, client=client, spark=FakeSpark()).current()

    assert (snapshot.version, snapshot.items, snapshot.table.num_rows) == (1, 0, 0)
    assert snapshot.table.column_names == ["country_code", "countryname"]


def test_a_missing_table_is_one_clear_error(client):
    config = settings(dynamodb={"table_name": "no-such-table"})

    text = r"'no-such-table' in region 'us-east-1'.*nothing of this name"
    with pytest.raises(ReferenceTableError, match=text) as raised:
        Reference(config, client=client, spark=FakeSpark()).current()

    assert not raised.value.retryable
    with pytest.raises(ReferenceTableError, match="Scan found nothing of this name"):
        scan(client, "no-such-table", ["code"], keep=dict, segments=4)


def test_a_service_that_cant_be_reached_is_one_clear_error(stack):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = _client(f"http://127.0.0.1:{closed.getsockname()[1]}")

    with pytest.raises(ReferenceTableError, match="could not reach") as raised:
        describe(nowhere, "countries")

    assert raised.value.retryable


def test_a_change_in_the_table_is_in_the_next_snapshot(client, make_table):
    name = make_table([country("IN", "India"), country("FR", "France")])
    clock = FakeClock()
    reference = Reference(settings(dynamodb={"table_name": name}), client=client, spark=FakeSpark(), clock=clock)
    first = reference.current()
    client.delete_item(TableName=name, Key={"code": {"S": "FR"}})
    client.put_item(TableName=name, Item=country("IN", "India, Republic of"))

    clock.advance(60)
    second = reference.current()

    assert (first.version, second.version) == (1, 2)
    assert second.table.to_pylist() == [{"country_code": "IN", "countryname": "India, Republic of"}]


@pytest.mark.parametrize("schema", [None, "code string, area decimal(9,2)"])
def test_a_notebook_loads_a_reference_in_one_call(make_table, schema):
    name = make_table([{"code": {"S": "IN"}, "area": {"N": "3.5"}}])

    snapshot = load_reference(FakeSpark(), name, "code", ["area"], schema=schema)

    assert (snapshot.name, snapshot.version, snapshot.on, snapshot.columns) == (
        name,
        1,
        {"code": "code"},
        {"area": "area"},
    )
    assert snapshot.table.to_pylist() == [{"area": Decimal("3.5"), "code": "IN"}]
    assert str(snapshot.table.schema.field("area").type) == ("decimal128(9, 2)" if schema else "decimal128(38, 18)")


def test_a_notebook_renames_columns_and_refuses_duplicates(make_table):
    items = [country("IN", "India"), country("IX", "India")]
    arguments = {"on": {"country": "countryname"}, "columns": {"code": "country_code"}}
    name = make_table(items)

    snapshot = load_reference(FakeSpark(), name, **arguments, name="country", scan_segments=2)

    assert (snapshot.name, snapshot.duplicates) == ("country", 1)
    assert snapshot.table.to_pylist() == [{"country_code": "IN", "countryname": "India"}]
    with pytest.raises(ReferenceTableError, match="code='IN' and code='IX'"):
        load_reference(FakeSpark(), name, **arguments, on_duplicate="fail")
