"""What a configuration says of the catalog, and what it can't say."""

import pytest

from streamjoin.config.catalog_stages import CatalogTable, GlueSettings
from streamjoin.entry import entered_tables

GLUE = {"sink.hudi.catalog": "glue", "sink.hudi.base_path": "s3://bucket/lake/orders"}


def test_nothing_is_entered_unless_asked(config, capture, backfill):
    assert [entered_tables(each({})) for each in (config, capture, backfill)] == [[], [], []]


def test_tables_and_dead_letters_are_entered_where_asked(config, capture, backfill):
    letters = {"dead_letters": {"base_path": "s3://bucket/lake/letters", "catalog": "glue", "database": "rejected"}}
    assert entered_tables(config({**GLUE, **letters, "sink.hudi.glue": {"region": "eu-west-1"}})) == [
        CatalogTable("s3://bucket/lake/orders", "default", "orders", GlueSettings(region="eu-west-1")),
        CatalogTable("s3://bucket/lake/letters", "rejected", "orders_dead_letters"),
    ]
    captured = capture(
        {
            **letters,
            "tables[0].sink.hudi.catalog": "glue",
            "tables[1]": {
                "table_name": "receipts",
                "sink": {"hudi": {"base_path": "s3://bucket/lake/receipts", "table_name": "receipts"}},
            },
        }
    )
    found = [str(table) for table in entered_tables(captured)]
    assert found == [f"default.{captured.tables[0].sink.hudi.table_name}", "rejected.orders_capture_dead_letters"]
    found = [str(table) for table in entered_tables(backfill({**letters, "tables[0].sink.hudi.catalog": "glue"}))]
    assert found == ["default.receipts", "rejected.receipts_dead_letters"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"sink.hudi.catalog": "glue", "sink.hudi.base_path": "/tmp/orders"},  # noqa: S108
            "sink.hudi.catalog: found glue, with base_path '/tmp/orders', which no reader of the catalog can open; ",
        ),
        (
            {"sink.hudi.glue": {"region": "us-east-1"}},
            "sink.hudi.glue: allowed with catalog: glue only; found catalog: none",
        ),
        ({**GLUE, "sink.hudi.glue": {"tombstones": True}}, "sink.hudi.glue.tombstones: allowed with delete_when only"),
        (
            {**GLUE, "sink.hudi.glue": {"comments": {"unitsold": "How many."}}},
            "sink.hudi.glue.comments.unitsold: the table has no such column; did you mean 'unitssold'?",
        ),
        (
            {**GLUE, "sink.hudi.glue": {"comments": {"uuid": "x" * 256}}},
            "sink.hudi.glue.comments.uuid: found 'x",
        ),
        ({**GLUE, "sink.hudi.glue": {"catalog_id": "12"}}, "sink.hudi.glue.catalog_id: found '12'; allowed: the 12 di"),
        ({**GLUE, "sink.hudi.table_name": "x" * 241}, "sink.hudi.table_name: found 'xxx"),
        (
            {"dead_letters.catalog": "glue", "dead_letters.base_path": "file:/lake/letters"},
            "dead_letters.catalog: found glue, with base_path 'file:/lake/letters'",
        ),
    ],
)
def test_what_can_not_be_is_told_with_its_key(problems, changes, line):
    assert [problem for problem in problems(changes) if problem.startswith(line)], problems(changes)


def test_comments_may_be_of_any_column_of_the_table(config):
    comments = dict.fromkeys(("uuid", "_ordering_us", "_hoodie_commit_time"), "What it is.")
    assert config({**GLUE, "sink.hudi.glue": {"comments": comments}}).sink.hudi.glue.comments == comments


def test_two_tables_do_not_share_an_entry(capture_problems):
    def table(name, table_type):
        hudi = {"base_path": f"s3://bucket/lake/{name}", "table_name": name, "catalog": "glue"}
        return {"table_name": name, "sink": {"hudi": {**hudi, "table_type": table_type}}}

    changes = {"tables[0]": table("orders", "MERGE_ON_READ"), "tables[1]": table("orders_rt", "COPY_ON_WRITE")}
    (line,) = capture_problems(changes)
    assert line == (
        "tables[1].sink.hudi: its entry in the catalog would be 'default.orders_rt', as one of tables[0].sink.hudi; "
        "give one of them another name or database"
    )
    assert not capture_problems({**changes, "tables[1].sink.hudi.database": "other"})
