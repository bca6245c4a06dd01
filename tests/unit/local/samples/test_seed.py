import json
import random
from collections import Counter
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.local.samples import seed as seeding
from streamjoin.local.samples.samples import SAMPLES, SampleName
from streamjoin.local.samples.seed import Blocks, Key, seed_table
from streamjoin.local.samples.seed_file import read_items


class FakeTables:
    """Tables as boto3's client has them: keeps items by key, takes so many of a call, refuses a key twice in one.

    Args:
        keys: Of the tables that are there: name to key schema.
        takes: Tells how many items of a call are processed.
    """

    class exceptions:
        ResourceNotFoundException = type("ResourceNotFoundException", (ClientError,), {})

    class meta:
        region_name = "us-east-1"
        endpoint_url = "http://127.0.0.1:4566"

    def __init__(self, keys=None, takes=lambda: 25):
        self.keys, self.takes = dict(keys or {}), takes
        self.items, self.calls, self.created, self.types = {}, [], {}, {}

    def describe_table(self, TableName):
        if TableName not in self.keys:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": "no such table"}}
            raise self.exceptions.ResourceNotFoundException(error, "DescribeTable")
        kinds = zip(self.keys[TableName], ("HASH", "RANGE"), strict=False)
        schema = [{"AttributeName": name, "KeyType": kind} for name, kind in kinds]
        defined = [{"AttributeName": name, "AttributeType": self.types.get(name, "S")} for name in self.keys[TableName]]
        return {"Table": {"KeySchema": schema, "AttributeDefinitions": defined, "TableStatus": "ACTIVE"}}

    def create_table(self, **request):
        self.created = request
        self.keys[request["TableName"]] = [each["AttributeName"] for each in request["KeySchema"]]
        self.types = {each["AttributeName"]: each["AttributeType"] for each in request["AttributeDefinitions"]}

    def batch_write_item(self, RequestItems):
        ((table, requests),) = RequestItems.items()
        assert len(requests) <= 25
        keys = [self._key(table, request) for request in requests]
        assert len(set(keys)) == len(keys), "one key twice in a call"
        self.calls.append(len(requests))
        taken = self.takes()
        for key, request in list(zip(keys, requests, strict=True))[:taken]:
            self.items[key] = request["PutRequest"]["Item"]
        left = requests[taken:]
        return {"UnprocessedItems": {table: left} if left else {}}

    def _key(self, table, request):
        return tuple(repr(request["PutRequest"]["Item"][name]) for name in self.keys[table])


@pytest.fixture
def tables(monkeypatch):
    def make(**arguments):
        client = FakeTables(**arguments)
        monkeypatch.setattr(seeding, "aws_client", lambda *place: client)
        return client

    return make


def test_samples_are_written_twenty_five_a_call(tables):
    client = tables(keys={"receipts": ["PK", "SK"]})
    assert seed_table("receipts", "receipts", records=60).items == 60
    assert client.calls == [25, 25, 10]
    assert len(client.items) == 60


def test_items_that_a_table_leaves_unprocessed_are_sent_again(tables):
    dice = random.Random(1)
    client = tables(keys={"orders": ["orderid"]}, takes=lambda: dice.randint(1, 25))
    seed_table("orders", "orders", records=100)
    assert len(client.items) == 100
    assert len(client.calls) > 4


def test_a_missing_table_is_an_error_that_says_how_to_make_it(tables):
    tables()
    with pytest.raises(SinkError, match=r"table 'orders' isn't there in region 'us-east-1' .* make it with --create,"):
        seed_table("orders", "orders")


def test_a_sample_knows_the_key_of_its_table(tables):
    client = tables()
    seeded = seed_table("receipts", "receipts", records=3, create=True)
    assert seeded.created
    assert [(each["AttributeName"], each["KeyType"]) for each in client.created["KeySchema"]] == [
        ("PK", "HASH"),
        ("SK", "RANGE"),
    ]
    assert client.created["BillingMode"] == "PAY_PER_REQUEST"
    assert client.created["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.mark.parametrize("form", ["array", "lines", "DynamoDB JSON"])
def test_a_file_may_be_an_array_or_lines_of_either_form(tables, tmp_path, form):
    number = "12345678901234567890123456789012345678"
    plain = [f'{{"id": 1, "price": 1.10, "big": {number}}}', '{"id": 2, "nested": {"list": [null, true, "x"]}}']
    typed = [
        {"id": {"N": "1"}, "price": {"N": "1.1"}, "big": {"N": number}},
        {"id": {"N": "2"}, "nested": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": True}, {"S": "x"}]}}}},
    ]
    text = {
        "array": "[" + ",".join(plain) + "]",
        "lines": "\n".join(plain) + "\n\n",
        "DynamoDB JSON": "\n".join(json.dumps({"Item": item}) for item in typed),
    }[form]
    (tmp_path / "items.json").write_text(text)
    client = tables()
    seed_table(str(tmp_path / "items.json"), "things", create=True, key=Key("id"))
    assert client.created["AttributeDefinitions"] == [{"AttributeName": "id", "AttributeType": "N"}]
    written = list(client.items.values())
    assert [item["id"] for item in written] == [{"N": "1"}, {"N": "2"}]
    assert Decimal(written[0]["price"]["N"]) == Decimal("1.1")
    assert written[0]["big"] == {"N": number}
    assert written[1]["nested"] == typed[1]["nested"]


def test_sets_and_binary_of_dynamodb_json_stay_what_they_are(tables, tmp_path):
    item = {"id": {"S": "a"}, "blob": {"B": "AP8="}, "words": {"SS": ["x", "y"]}, "numbers": {"NS": ["1", "2"]}}
    (tmp_path / "items.json").write_text(json.dumps({"Item": item}))
    client = tables(keys={"things": ["id"]})
    seed_table(str(tmp_path / "items.json"), "things")
    (written,) = client.items.values()
    assert written["blob"]["B"] in (b"\x00\xff", bytes([0, 255]))
    assert {kind: sorted(content) for name in ("words", "numbers") for kind, content in written[name].items()} == {
        "SS": ["x", "y"],
        "NS": ["1", "2"],
    }


def test_a_table_that_is_made_for_a_file_needs_a_key(tables, tmp_path):
    (tmp_path / "items.json").write_text('[{"id": 1}]')
    tables()
    with pytest.raises(SinkError, match=r"needs a key; give --partition-key"):
        seed_table(str(tmp_path / "items.json"), "things", create=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"id": 1}, 2]', r"item 2: expected an item, a JSON object; found int"),
        ('{"id": 1}\n{"id": ', r"line 2: expected a JSON array of items, or an item a line"),
        ('{"id": 1e999}', r"line 1: attribute 'id': expected a number of at most 38 digits"),
        ('{"id": NaN}', r"line 1: .* NaN is no number of JSON"),
        ('{"Item": {"id": {"X": 1}}}', r"line 1: attribute 'id': no type of DynamoDB's"),
        ('{"other": 1}', r"item 1: it has no 'id', which is part of the table's key"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(tables, tmp_path, text, said):
    (tmp_path / "items.json").write_text(text)
    tables(keys={"things": ["id"]})
    with pytest.raises(SinkError, match=said):
        seed_table(str(tmp_path / "items.json"), "things")


def test_a_name_that_is_neither_file_nor_sample_lists_the_samples(tables):
    tables(keys={"things": ["id"]})
    with pytest.raises(SinkError, match=r"'ordres': there is no such file, nor a sample .* orders, receipts"):
        seed_table("ordres", "things")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers()), max_size=120))
def test_of_items_with_one_key_the_last_one_stays_and_no_call_has_a_key_twice(pairs):
    blocks = Blocks(("id",), "test")
    written = list(blocks.each({"id": key, "value": value} for key, value in pairs))
    calls = [written[at : at + 25] for at in range(0, len(written), 25)]
    assert all(Counter(item["id"] for item in call).most_common(1)[0][1] == 1 for call in calls)
    assert {item["id"]: item["value"] for item in written} == dict(pairs)
    assert len(written) + blocks.replaced == blocks.given == len(pairs)


@pytest.mark.parametrize("name", list(SampleName))
def test_a_seed_makes_the_same_items_again_and_another_one_others(name):
    sample = SAMPLES[name]
    first = list(sample.items(50, seed=1))
    assert first == list(sample.items(50, seed=1))
    assert first != list(sample.items(50, seed=2))
    assert len({tuple(item[key] for key in sample.keys) for item in first}) == 50


def test_receipts_have_times_of_both_kinds_and_all_kinds_of_values(tmp_path):
    items = list(SAMPLES[SampleName.RECEIPTS].items(200, seed=0))
    kinds = {type(value) for item in items for value in item.values()}
    assert kinds == {str, int, Decimal, dict, list, set, bytes, bool, type(None)}
    assert all(item["createdAt"].endswith("Z") and item["updatedat"] > 1_556_000_000_000 for item in items)
    plain = tmp_path / "orders.json"
    orders = list(SAMPLES[SampleName.ORDERS].items(5, seed=0))
    plain.write_text(json.dumps(orders, default=float))
    assert [item["orderid"] for item in read_items(str(plain))] == [item["orderid"] for item in orders]
