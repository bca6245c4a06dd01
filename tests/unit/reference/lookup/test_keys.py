import pytest

from streamjoin.dynamodb.table import KeyAttribute
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.lookup.keys import index_of, no_access, plan_lookup, require_projected
from streamjoin.reference.table import describe
from tests.faults.lookup import FakeItemTable, global_index
from tests.faults.reference import client_error

CODE, YEAR, NAME, CITY = (
    KeyAttribute("code", "S"),
    KeyAttribute("year", "N"),
    KeyAttribute("countryname", "S"),
    KeyAttribute("city", "S"),
)
BY_NAME = global_index("by-name", "countryname", "city")


def table(key=(("code", "S"), ("year", "N")), **indexes):
    return FakeItemTable(key=key, indexes=indexes, attribute_types={"countryname": "S", "city": "S"})


def plan(client, on, index_name=None):
    index = index_of(describe(client, "countries"), index_name)
    return plan_lookup(describe(client, "countries"), on, index)


@pytest.mark.parametrize("on", [["code", "year"], ["year", "code"], ["year", "code", "code"]])
def test_the_primary_key_in_any_order_is_got_item_by_item(on):
    access = plan(table(), on)

    assert (access.is_unique, access.index_name, access.is_consistent) == (True, None, True)
    assert access.attributes == (CODE, YEAR)


def test_a_primary_key_without_range_key_is_got_item_by_item():
    access = plan(table(key=(("code", "S"),)), ["code"])

    assert (access.is_unique, access.attributes) == (True, (CODE,))


def test_the_hash_key_alone_is_queried():
    access = plan(table(), ["code"])

    assert (access.is_unique, access.is_consistent, access.attributes) == (False, True, (CODE,))


@pytest.mark.parametrize("on", [["year"], ["countryname"], ["code", "countryname"], ["code", "year", "countryname"]])
def test_what_is_not_exactly_a_key_cant_be_looked_up(on):
    assert plan(table(), on) is None


@pytest.mark.parametrize(
    ("on", "attributes"), [(["countryname"], (NAME,)), (["city", "countryname"], (NAME, CITY)), (["city"], None)]
)
def test_an_index_is_queried_by_its_hash_key_or_its_whole_key(on, attributes):
    access = plan(table(GlobalSecondaryIndexes=[BY_NAME]), on, "by-name")

    assert (access and access.attributes) == attributes
    if access:
        assert (access.is_unique, access.index_name, access.is_consistent) == (False, "by-name", False)


def test_an_index_that_isnt_named_isnt_used():
    assert plan(table(GlobalSecondaryIndexes=[BY_NAME]), ["countryname"]) is None


def test_the_named_index_comes_before_the_table_for_it_may_hold_fewer_items():
    client = table(GlobalSecondaryIndexes=[global_index("live", "code", "year")])

    assert plan(client, ["code", "year"], "live").index_name == "live"
    assert plan(client, ["code"], "live").index_name == "live"


def test_the_table_is_used_if_the_named_index_doesnt_fit():
    access = plan(table(GlobalSecondaryIndexes=[BY_NAME]), ["code", "year"], "by-name")

    assert (access.is_unique, access.index_name) == (True, None)


def test_a_hash_key_of_several_attributes_needs_them_all():
    index = global_index("by-place", "countryname") | {
        "KeySchema": [{"AttributeName": each, "KeyType": "HASH"} for each in ("countryname", "city")]
    }
    client = table(GlobalSecondaryIndexes=[index])

    assert plan(client, ["city", "countryname"], "by-place").hash_keys == (NAME, CITY)
    assert plan(client, ["countryname"], "by-place") is None


def test_a_local_index_is_read_consistently_a_global_one_cant_be():
    local = {key: value for key, value in global_index("early", "code", "city").items() if key != "IndexStatus"}
    client = table(LocalSecondaryIndexes=[local], GlobalSecondaryIndexes=[BY_NAME])

    assert plan(client, ["code"], "early").is_consistent
    assert not plan(client, ["countryname"], "by-name").is_consistent


def test_an_index_that_is_missing_is_named_beside_those_that_are_there():
    with pytest.raises(ReferenceTableError, match=r"no index 'by-nam'; it has 'by-name'.*index_name") as raised:
        index_of(describe(table(GlobalSecondaryIndexes=[BY_NAME]), "countries"), "by-nam")

    assert not raised.value.retryable
    with pytest.raises(ReferenceTableError, match="no index 'by-nam'; it has none"):
        index_of(describe(table(), "countries"), "by-nam")


@pytest.mark.parametrize(("status", "retryable"), [("CREATING", True), ("DELETING", False)])
def test_an_index_that_is_being_made_or_deleted_cant_be_read(status, retryable):
    client = table(GlobalSecondaryIndexes=[BY_NAME | {"IndexStatus": status}])

    with pytest.raises(ReferenceTableError, match=rf"index 'by-name' can't be read while it is {status}") as raised:
        index_of(describe(client, "countries"), "by-name")

    assert raised.value.retryable is retryable


def test_an_index_whose_throughput_is_being_changed_can_be_read():
    client = table(GlobalSecondaryIndexes=[BY_NAME | {"IndexStatus": "UPDATING"}])

    assert index_of(describe(client, "countries"), "by-name").hash_keys == (NAME,)


def test_a_table_that_cant_be_described_says_what_to_do():
    client = table()
    client.fault = lambda operation, request: client_error("AccessDeniedException", operation)

    with pytest.raises(ReferenceTableError, match="Allow dynamodb:DescribeTable"):
        index_of(describe(client, "countries"), "by-name")


@pytest.mark.parametrize(
    ("project", "held"),
    [
        (None, None),
        ([], {"code", "year", "countryname", "city"}),
        (["area"], {"code", "year", "countryname", "city", "area"}),
    ],
)
def test_an_index_holds_the_keys_and_what_it_projects(project, held):
    index = global_index("by-name", "countryname", "city", project=project)

    assert index_of(describe(table(GlobalSecondaryIndexes=[index]), "countries"), "by-name").attributes == held


def test_attributes_that_an_index_doesnt_project_are_named():
    index = global_index("by-name", "countryname", project=["area"])
    described = index_of(describe(table(GlobalSecondaryIndexes=[index]), "countries"), "by-name")
    require_projected(described, "countries", ["code", "area"])

    with pytest.raises(ReferenceTableError, match=r"'by-name' doesn't project 'zone', 'river'; it has 'area', 'code'"):
        require_projected(described, "countries", ["area", "zone", "river"])


def test_a_join_key_that_is_no_key_is_told_which_keys_there_are():
    client = table(GlobalSecondaryIndexes=[BY_NAME])
    index = index_of(describe(client, "countries"), "by-name")

    text = no_access(describe(client, "countries"), ["city"], index)

    assert "table 'countries': mode lookup needs a join key that is the table's primary key" in text
    assert "`on` names 'city', its primary key is 'code' (S) and 'year' (N)" in text
    assert "index 'by-name' has the hash key 'countryname' (S) and the range key 'city' (S)" in text
    assert "Set mode: snapshot" in text
    assert "hash key is 'city' in dynamodb.index_name" in text


def test_a_number_in_a_key_is_one_text_however_it_was_written():
    access = plan(table(), ["code", "year"])

    keys = {access.key_of({"code": {"S": "IN"}, "year": {"N": number}}) for number in ("1500", "1500.00", "1.5E3")}

    assert keys == {("IN", "1500")}
    assert access.values(("IN", "1500")) == {"code": {"S": "IN"}, "year": {"N": "1500"}}
