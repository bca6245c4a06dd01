"""Partitions whose columns are no text: what their entry says of them, and what the engine under Athena reads."""

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from tests.athena.trino_server import Trino
from tests.catalogued import BEFORE, FIRST, Table

TYPES = {
    "units": "int",
    "day": "date",
    "flag": "boolean",
    "at": "string",
    "price": "string",
    "ratio": "string",
}
"""Column of the table -> what its partition key is in the catalog."""


@pytest.fixture(scope="module")
def typed(spark: SparkSession, bucket: str, trino: Trino) -> Table:
    table = Table(bucket, "typed", "COPY_ON_WRITE", by_day=True, partition_by=list(TYPES))
    table.run(FIRST, BEFORE)
    return table


def test_a_partition_key_has_the_type_of_its_column_where_its_folder_is_a_value_of_it_else_it_is_text(
    typed: Table,
) -> None:
    entered = aws_client("glue").get_table(DatabaseName="lake", Name="typed")["Table"]
    assert {key["Name"]: key["Type"] for key in entered["PartitionKeys"]} == TYPES


def test_rows_are_read_with_the_values_of_their_partitions(typed: Table, trino: Trino) -> None:
    found = trino.query("select id, units, day, flag from lake.lake.typed order by id")
    assert found == typed.expected(("id", "units", "day", "flag"))


def test_a_filter_by_values_of_their_types_reads_their_partitions_alone(typed: Table, trino: Trino) -> None:
    where = "units between 4 and 7 and day = date '2026-01-31' and flag"
    found, work = trino.run(f"select id from lake.lake.typed where {where}")  # noqa: S608
    assert found == [["k4"]]
    _, whole = trino.run("select id from lake.lake.typed")
    assert work["processedRows"] < whole["processedRows"]


def test_other_types_are_read_as_the_text_of_their_folder(typed: Table, trino: Trino) -> None:
    found = trino.query("select at, price, ratio from lake.lake.typed where id = 'k4'")
    assert found == [["2026-01-31 10:11:12.004", "4.25", "1.0"]]
