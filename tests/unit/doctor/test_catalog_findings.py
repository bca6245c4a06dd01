"""The payload's columns that come from the catalog."""

from streamjoin.doctor import catalog
from streamjoin.doctor.checks import CHECKS, findings_of
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import clients, context, enrichment, refusal

MISSING = refusal("EntityNotFoundException")


def look(document, **answers):
    client, made = clients(glue=answers)
    found = list(catalog.catalog(context(document, client)))
    names = {name for name, _ in made["glue"].calls}
    assert names <= {"get_table"}, "looking changes nothing"
    return found


def test_without_a_schema_of_the_catalog_nothing_is_asked():
    assert [each.found for each in look(enrichment())] == ["the job reads nothing of it"]


def test_the_payload_s_columns_are_read_and_held_against_the_configuration():
    document = enrichment(payload={"schema": {"glue_catalog": {"database": "raw", "table": "orders"}}})
    columns = [{"Name": name, "Type": "string"} for name in ("id", "country")]
    answer = {"Table": {"Name": "orders", "StorageDescriptor": {"Columns": columns}}}
    (first,) = look(document, get_table=answer)
    assert (first.status, first.found) == (Status.GOOD, "2 columns, which the configuration fits")
    columns.pop(0)
    (first,) = look(document, get_table=answer)
    assert (first.status, "record_key" in first.found) == (Status.BAD, True), first
    (check,) = [check for check in CHECKS if check.name == "catalog"]
    client, _ = clients(glue={"get_table": MISSING})
    (first,) = findings_of(check, context(document, client))
    assert (first.status, first.remedy) == (Status.BAD, "Check payload.schema.glue_catalog and the region.")
