"""The engine under Athena reads what the jobs have written, by the entries that the jobs have made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.cli.maintenance import tables_of
from streamjoin.entry import parse_config
from streamjoin.services.maintain import maintain
from streamjoin.streaming.signals import StopRequest
from tests.athena.trino_server import Trino
from tests.catalogued import AFTER, BEFORE, COLUMNS, FIRST, FIRST_NULLS, SECOND, Table

Rows = list[list[Any]]
WITH_NOTE = (*COLUMNS, "note")


@dataclass(frozen=True)
class Story:
    """What Trino showed of a table, by entry: of the first run, of the second, and once all was compacted."""

    table: Table
    expected_first: Rows
    first: Mapping[str, Rows]
    second: Mapping[str, Rows]
    compacted: Mapping[str, Rows]


def rows_of(trino: Trino, entry: str, columns: tuple[str, ...] = COLUMNS, where: str = "true") -> Rows:
    return trino.query(f"select {', '.join(columns)} from lake.lake.{entry} where {where} order by id")  # noqa: S608


@pytest.fixture(scope="module", params=["COPY_ON_WRITE", "MERGE_ON_READ"])
def table_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["unpartitioned", "by day"])
def story(spark: SparkSession, bucket: str, trino: Trino, table_type: str, request: pytest.FixtureRequest) -> Story:
    name = f"{'copied' if table_type == 'COPY_ON_WRITE' else 'merged'}{'_by_day' * request.param}"
    table = Table(bucket, name, table_type, request.param)
    entries = [name] if table_type == "COPY_ON_WRITE" else [f"{name}_ro", f"{name}_rt"]
    table.run([*FIRST, FIRST_NULLS], BEFORE)
    first, expected_first = {entry: rows_of(trino, entry) for entry in entries}, table.expected()
    table.run(SECOND, AFTER)
    second = {entry: rows_of(trino, entry, WITH_NOTE) for entry in entries}
    config = parse_config(table.document(AFTER))
    maintain(spark, tables_of(config), StopRequest(), job=name, every_seconds=None)
    compacted = {entry: rows_of(trino, entry, WITH_NOTE) for entry in entries}
    return Story(table, expected_first, first, second, compacted)


def test_what_a_copy_on_write_table_has_is_read_at_once(story: Story, table_type: str) -> None:
    if table_type == "MERGE_ON_READ":
        pytest.skip("of the other type")
    assert story.first == {story.table.name: story.expected_first}


def test_a_column_that_came_later_and_a_wider_one_are_read_in_old_rows_and_new(story: Story) -> None:
    expected = story.table.expected(WITH_NOTE)
    assert story.compacted == dict.fromkeys(story.compacted, expected)
    if story.table.table_type == "COPY_ON_WRITE":
        assert story.second == story.compacted


def test_columns_have_their_types_nested_ones_too(story: Story, trino: Trino) -> None:
    for entry in story.compacted:
        types = {name: kind for name, kind, *_ in trino.query(f"describe lake.lake.{entry}")}
        # Hive's times have no precision of their own.
        assert types["at"] in {f"timestamp({digits})" for digits in (3, 6, 9)}
        assert (
            types.items()
            >= {
                "_hoodie_commit_time": "varchar",
                "units": "bigint",
                "day": "date",
                "price": "decimal(10,2)",
                "large": "decimal(38,10)",
                "ratio": "double",
                "flag": "boolean",
                "tags": "array(varchar)",
                "counts": "map(varchar, bigint)",
                "place": "row(city varchar, lines array(integer))",
                "note": "varchar",
            }.items()
        )


def test_a_filter_of_partitions_reads_those_alone(story: Story, trino: Trino) -> None:
    if not story.table.by_day:
        pytest.skip("without partitions")
    rows = story.table.expected(("id", "dt", "region"))
    expected = [row for row in rows if row[1:] == ["20260131", "us east:1"]]
    for entry in story.compacted:
        where = "dt = '20260131' and region = 'us east:1'"
        sql = f"select id, dt, region from lake.lake.{entry} where {where} order by id"  # noqa: S608
        found, work = trino.run(sql)
        assert found == expected != []
        _, whole = trino.run(f"select id, dt, region from lake.lake.{entry}")  # noqa: S608
        assert work["processedRows"] < whole["processedRows"]
        between = f"select count(*) from lake.lake.{entry} where dt between '20260131' and '20260201'"  # noqa: S608
        wanted = sum(row[1] >= "20260131" for row in story.table.expected(("id", "dt")))
        assert trino.query(between) == [[wanted]]


def test_dead_letters_and_tombstones_are_read_too(story: Story, trino: Trino) -> None:
    letters = trino.query(f"select reason, dt from lake.lake.{story.table.name}_dead_letters")  # noqa: S608
    assert [reason for reason, _ in letters] == ["MALFORMED_JSON"]
    tombstones = trino.query(f"select _item_key from files.lake.{story.table.name}_tombstones")  # noqa: S608
    assert len(tombstones) == 1


def test_what_a_merge_on_read_table_shows_before_it_is_compacted(story: Story, table_type: str) -> None:
    if table_type == "COPY_ON_WRITE":
        pytest.skip("of the other type")
    # As docs/catalog.md has it: base files alone, by either entry. The first rows of a file are one.
    assert story.first == dict.fromkeys(story.first, story.expected_first)
    # The wider type has written the base files again; the batch that needed it is in logs.
    expected = [[*row, None] for row in story.expected_first]
    assert story.second == {entry: expected for entry in story.second}
