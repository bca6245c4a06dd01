import importlib

import pyarrow as pa
import pytest

from streamjoin.entry import parse_job, query, tables_of
from streamjoin.errors import ConfigError, SinkError


@pytest.fixture
def read(monkeypatch):
    """Return which tables were read; each holds its own path."""
    paths = []

    def read_table(base_path):
        paths.append(base_path)
        return pa.table({"path": [base_path]})

    monkeypatch.setattr(importlib.import_module("streamjoin.query.query"), "read_table", read_table)
    return paths


def capture(tmp_path, *, template="changes/{table}", name="{table}_changes", **more):
    entries = [("*", template, name), *((table, f"listed/{path}", path) for table, path in more.items())]
    return parse_job(
        {
            "job": "capture",
            "name": "c",
            "source": {"kinesis": {"stream_name": "s"}},
            "tables": [
                {"table_name": table, "sink": {"hudi": {"base_path": f"{tmp_path}/{path}", "table_name": named}}}
                for table, path, named in entries
            ],
            "dead_letters": {"base_path": f"{tmp_path}/changes/dead_letters"},
        }
    )


def made(tmp_path, *places):
    for place in places:
        (tmp_path / place / ".hoodie").mkdir(parents=True)
        (tmp_path / place / ".hoodie" / "hoodie.properties").touch()


def test_a_template_has_the_tables_that_were_made_by_it(tmp_path):
    made(tmp_path, "changes/Eu-Orders", "changes/items.v2", "changes/dead_letters", "listed/orders", "other/table")
    (tmp_path / "changes" / "begun").mkdir()
    (tmp_path / "changes" / "file").touch()
    found = tables_of(capture(tmp_path, orders="orders"))
    assert found.by_name == {
        "eu_orders_changes": f"{tmp_path}/changes/Eu-Orders",
        "items_v2_changes": f"{tmp_path}/changes/items.v2",
        "orders": f"{tmp_path}/listed/orders",
    }
    assert found.only is None


@pytest.mark.parametrize("template", ["lake/x_{table}_y", "lake/{table}/changes", "lake/{table}/of_{table}", "{table}"])
def test_the_table_s_name_may_be_anywhere_in_the_path(tmp_path, template):
    config = capture(tmp_path, template=template)
    made(tmp_path, template.replace("{table}", "orders"))
    assert tables_of(config).by_name["orders_changes"] == f"{tmp_path}/{template.replace('{table}', 'orders')}"


def test_a_job_without_any_table_yet_names_none(tmp_path, read):
    with pytest.raises(SinkError, match="The job has these tables: none yet"):
        query(capture(tmp_path), "SELECT * FROM orders")
    assert query(capture(tmp_path), "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert read == []


def test_only_the_tables_that_the_sql_names_are_read(tmp_path, read):
    made(tmp_path, "changes/receipts")
    config = capture(tmp_path, orders="orders", items="items")
    both = 'SELECT ORDERS.path AS a, r.path AS b FROM Orders, "receipts_changes" r'
    assert query(config, both).to_pylist() == [
        {"a": f"{tmp_path}/listed/orders", "b": f"{tmp_path}/changes/receipts"},
    ]
    assert sorted(read) == [f"{tmp_path}/changes/receipts", f"{tmp_path}/listed/orders"]
    with pytest.raises(SinkError, match=r"order.* does not exist(.|\n)*these tables: items, orders, receipts_changes"):
        query(config, "SELECT * FROM order_s")


def test_a_single_table_is_also_t(tmp_path, read):
    made(tmp_path, "changes/receipts")
    assert query(capture(tmp_path), "SELECT path FROM t").num_rows == 1
    backfill = parse_job(
        {
            "job": "backfill",
            "name": "b",
            "source": {"dynamodb_table": {"table_name": "receipts"}},
            "tables": [{"table_name": "receipts", "sink": {"hudi": {"base_path": "/lake/r", "table_name": "r"}}}],
            "dead_letters": {"base_path": "/lake/dead"},
        }
    )
    assert query(backfill, "SELECT t.path FROM t JOIN r USING (path)").to_pylist() == [{"path": "/lake/r"}]
    assert read == [f"{tmp_path}/changes/receipts", "/lake/r"]


def test_two_tables_of_one_name_are_not_taken_for_each_other(tmp_path, read):
    made(tmp_path, "changes/a-bc", "changes/a.bc")
    config = capture(tmp_path)
    with pytest.raises(SinkError, match=r"several tables are named 'a_bc_changes', in .*a-bc, .*a\.bc; query one"):
        query(config, "SELECT * FROM a_bc_changes")
    assert read == []


def test_a_job_without_a_hudi_table_is_refused():
    values = {"job": "replicate", "name": "r", "source": {"mysql": {"host": "h", "user": "u", "password": "p"}}}
    with pytest.raises(ConfigError, match="job: found 'replicate', which writes no Hudi table"):
        tables_of(parse_job({**values, "table_mappings": "m.json"}))
