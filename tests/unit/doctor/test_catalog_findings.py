"""The catalog's entries, and the payload's columns that come from it."""

import pytest

from streamjoin.doctor import catalog
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import AWAY, clients, context, enrichment, refusal, shown

MISSING = refusal("EntityNotFoundException")
DENIED = refusal("AccessDeniedException", status=403)
DATABASE = {"Database": {"Name": "test"}}


def look(document, **answers):
    client, made = clients(glue=answers)
    found = list(catalog.catalog(context(document, client)))
    names = {name for name, _ in made["glue"].calls}
    assert names <= {"get_database", "get_table"}, "looking changes nothing"
    return found


def entered():
    document = enrichment()
    document["sink"]["hudi"]["catalog"] = "glue"
    return document


def entry(location):
    return {"Table": {"Name": "t", "StorageDescriptor": {"Location": location}}}


def test_without_a_catalog_nothing_is_asked():
    assert [each.found for each in look(enrichment())] == ["none are made: catalog: none"]


@pytest.mark.parametrize(
    ("answers", "status", "told"),
    [
        ({"get_database": MISSING}, Status.GOOD, "no database 'test' yet"),
        ({"get_database": DATABASE, "get_table": MISSING}, Status.GOOD, "none yet"),
        (
            {"get_database": DATABASE, "get_table": entry("s3://bucket/lake/t/")},
            Status.GOOD,
            "at the table's base path",
        ),
        ({"get_database": DATABASE, "get_table": entry("s3://else/t")}, Status.BAD, "another table, at s3://else/t"),
        ({"get_database": DENIED}, Status.BAD, "GetDatabase was denied"),
        ({"get_database": DATABASE, "get_table": DENIED}, Status.BAD, "GetTable was denied"),
        ({"get_database": AWAY}, Status.BAD, "could not reach"),
    ],
)
def test_database_and_entry_are_told_as_they_are(answers, status, told):
    found = look(entered(), **answers)
    assert {each.status for each in found} == {status}, shown(found)
    assert all(told in each.found for each in found), shown(found)
    assert all(each.remedy for each in found if status is not Status.GOOD)


def test_the_payload_s_columns_are_read_and_held_against_the_configuration():
    document = enrichment(payload={"schema": {"glue_catalog": {"database": "raw", "table": "orders"}}})
    columns = [{"Name": name, "Type": "string"} for name in ("id", "country")]
    answer = {"Table": {"Name": "orders", "StorageDescriptor": {"Columns": columns}}}
    first, _ = look(document, get_table=answer)
    assert (first.status, first.found) == (Status.GOOD, "2 columns, which the configuration fits")
    columns.pop(0)
    first, _ = look(document, get_table=answer)
    assert (first.status, "record_key" in first.found) == (Status.BAD, True), first
    first, _ = look(document, get_table=MISSING)
    assert first.status is Status.BAD
