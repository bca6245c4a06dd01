"""What a job asks of the catalog, beside what its role in the stacks may do there."""

from pathlib import Path

from tests.lake_tables import LakeTable, avro
from tests.stacks.policies import asked
from tests.stacks.shapes import FULL, root
from tests.unit.catalog.glue_calls import ORDERS, Counted, partitions, sync_of
from tests.unit.infra.policies import grants


def test_a_catalog_is_asked_for_all_that_a_job_may_do_with_entries_and_for_nothing_else(
    tmp_path: Path, glue: Counted
) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    # The stack has made it.
    glue._client.create_database(DatabaseInput={"Name": "sales"})
    with asked(glue._client) as actions:
        first = lake.commit(ORDERS, "dt=1")
        sync_of(lake, glue).follow(ends=True)
        # Another process makes the next partition before.
        theirs = {"Values": ["2"], "StorageDescriptor": partitions(glue)["1",]["StorageDescriptor"]}
        glue._client.batch_create_partition(DatabaseName="sales", TableName="orders", PartitionInputList=[theirs])
        second = lake.commit(ORDERS, "dt=2")
        sync_of(lake, glue).follow(ends=True)
        # What was missed is no longer known commit by commit, and a column became wider.
        lake.commit(avro(id="string", units="long", dt="string"), "dt=2")
        lake.archive(first)
        lake.archive(second)
        sync_of(lake, glue).follow(ends=True)
    statements = list(grants(root(**FULL).all()))
    for job in ("enrich", "capture", "backfill"):
        of_role = [each for each in statements if each.role == f"streamjoin-dev-{job}"]
        assert {action for each in of_role for action in each.actions if action.startswith("glue:")} == actions
