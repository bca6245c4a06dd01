"""The engine under Athena reads what a capture has written, in either layout."""

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.local.tables import create_stream, create_table
from tests.athena.trino_server import Trino
from tests.integration.capture.capturing import Capture, Captured, entry, plain


@pytest.fixture(scope="module")
def captured(spark: SparkSession, bucket: str, trino: Trino) -> Captured:
    create_stream(aws_client("kinesis"), "athena-changes", 1)
    create_table(aws_client("dynamodb"), "athena-items", {"id": "S"})
    table = Captured("athena-items")
    table.forward_to("athena-changes")
    source = {"kinesis": {"stream_name": "athena-changes"}}
    jobs = []
    for layout in ("current", "changelog"):
        base = f"s3://{bucket}/lake/{layout}"
        hudi = {"database": "lake", "table_name": f"items_{layout}", "catalog": "glue"}
        jobs.append(Capture(base, source, [entry(table.name, base, layout=layout, hudi=hudi)], {"name": layout}))
    for number in range(6):
        table.put(f"i{number}", quantity=number, note=f"n{number}")
    for job in jobs:
        job.run()
    table.put("i1", quantity=100)
    table.remove("i2")
    table.put("i9", quantity=2**40)
    for job in jobs:
        job.run()
    return table


def test_current_has_the_items_as_they_are(captured: Captured, trino: Trino) -> None:
    found = trino.query("select id, quantity, _attributes from lake.lake.items_current order by id")
    items = [item for _, item in sorted(captured.source.items.items())]
    assert [[row[0], row[1]] for row in found] == [[item["id"], item["quantity"]] for item in items]
    notes = [(plain(row[2]) or {}).get("note") for row in found]
    assert notes == [item.get("note") for item in items]


def test_a_changelog_has_each_change_once_in_order(captured: Captured, trino: Trino) -> None:
    sql = "select operation, id, quantity, new_image, dt from lake.lake.items_changelog order by _order"
    found = trino.query(sql)
    told = captured.source.told
    assert [row[:2] for row in found] == [[change.operation, change.key] for change in told]
    assert [plain(row[3]) for row in found] == [change.new for change in told]
    (day,) = {row[4] for row in found}
    in_day = f"select count(*) from lake.lake.items_changelog where dt = '{day}'"  # noqa: S608
    assert trino.query(in_day) == [[len(told)]]
