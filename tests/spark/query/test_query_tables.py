"""Tables as the sink writes them, read back by the query command's own reader, which shares no code with Spark."""

import json

import pytest
from pyspark.sql import functions as F
from typer.testing import CliRunner

from streamjoin.cli import app
from streamjoin.entry import query
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import read_table

COLUMNS = (
    "CAST(id AS string) uuid",
    "id",
    "CAST(id / 8 AS decimal(10, 3)) price",
    "timestamp_seconds(1700000000 + id) seen",
    "date_add('2024-01-01', CAST(id AS int)) day",
    "CAST(concat('x', id) AS binary) raw",
    "named_struct('n', id, 'tags', array('a', 'b')) nested",
    "map('k', id) labels",
    "IF(id % 2 = 0, NULL, concat('say \"', id, '\", ok')) text",
    "id % 3 third",
    "id _streamjoin_ordering",
)


def orders(spark, first, count):
    return spark.range(first, first + count).selectExpr(*COLUMNS)


@pytest.fixture(scope="module", params=["COPY_ON_WRITE", "MERGE_ON_READ"])
def table(request, spark, tmp_path_factory):
    """100 rows, the first 10 of them written twice, in two commits."""
    path = str(tmp_path_factory.mktemp("lake") / request.param)
    hudi = HudiTable(path, "orders", ("uuid",), "_streamjoin_ordering", table_type=request.param)
    upsert(orders(spark, 0, 100), hudi, commit_metadata={"position": "first"})
    newer = orders(spark, 0, 10).withColumns({"text": F.lit("newer"), "_streamjoin_ordering": F.col("id") + 1_000})
    upsert(newer, hudi, commit_metadata={"position": "second"})
    return path


def test_a_query_sees_the_newest_row_of_every_key(table):
    answer = query(
        table, "SELECT count(*) AS n, count(DISTINCT uuid) AS keys, count_if(text = 'newer') AS newer FROM t"
    )
    assert answer.to_pylist() == [{"n": 100, "keys": 100, "newer": 10}]


def test_the_columns_of_hudi_are_there_as_in_athena(table):
    names = query(table, "SELECT * FROM t LIMIT 1").column_names
    assert names[:5] == [
        "_hoodie_commit_time",
        "_hoodie_commit_seqno",
        "_hoodie_record_key",
        "_hoodie_partition_path",
        "_hoodie_file_name",
    ]
    assert query(table, "SELECT count(DISTINCT _hoodie_commit_time) AS n FROM t").to_pylist() == [{"n": 2}]


def test_a_few_columns_are_read_alone(table):
    assert read_table(table, columns=["uuid"]).column_names == ["uuid"]
    assert read_table(table, columns=["uuid"]).num_rows == 100


def test_every_type_is_printed_so_that_a_program_can_read_it(table):
    sql = "SELECT price, seen, day, raw, nested, labels, text FROM t WHERE id = 17"
    answer = CliRunner().invoke(app, ["query", table, sql, "--format", "json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == [
        {
            "price": "2.125",
            "seen": "2023-11-14T22:13:37Z",
            "day": "2024-01-18",
            "raw": "eDE3",
            "nested": {"n": 17, "tags": ["a", "b"]},
            "labels": {"k": 17},
            "text": 'say "17", ok',
        }
    ]
    sql = "SELECT id, text FROM t WHERE id IN (17, 18) ORDER BY id"
    answer = CliRunner().invoke(app, ["query", table, sql, "--format", "csv"])
    assert answer.stdout_bytes == b'id,text\r\n17,"say ""17"", ok"\r\n18,\r\n'


def test_a_configuration_names_its_table(table, tmp_path):
    config = tmp_path / "job.yaml"
    config.write_text(
        "job: enrich\n"
        "name: orders\n"
        "source: {kinesis: {stream_name: orders}}\n"
        "payload: {format: json, schema: 'uuid string'}\n"
        f"sink: {{hudi: {{base_path: '{table}', table_name: orders, record_key: [uuid]}}}}\n"
        f"dead_letters: {{base_path: '{tmp_path}/dead_letters'}}\n"
    )
    assert query(config, "SELECT count(*) AS n FROM orders").to_pylist() == [{"n": 100}]
    assert query(config, "SELECT count(*) AS n FROM t").to_pylist() == [{"n": 100}]


def test_partitions_are_read_with_their_column(spark, tmp_path):
    path = str(tmp_path / "partitioned")
    hudi = HudiTable(path, "orders", ("uuid",), "_streamjoin_ordering", partition_by=("third",))
    upsert(orders(spark, 0, 30), hudi, commit_metadata={"position": "first"})
    answer = query(f"file:{path}", "SELECT third, count(*) AS n FROM t GROUP BY third ORDER BY third")
    assert answer.to_pylist() == [{"third": third, "n": 10} for third in range(3)]


def test_a_table_with_commits_but_no_rows_is_empty(spark, tmp_path):
    hudi = HudiTable(str(tmp_path / "empty"), "orders", ("uuid",), "_streamjoin_ordering")
    upsert(orders(spark, 0, 0), hudi, commit_metadata={"position": "first"})
    assert query(tmp_path / "empty", "SELECT count(*) AS n FROM t").to_pylist() == [{"n": 0}]
    assert "uuid" in query(tmp_path / "empty", "SELECT * FROM t").column_names
