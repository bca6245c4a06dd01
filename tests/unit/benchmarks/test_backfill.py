from decimal import Decimal

import pyarrow as pa
import pytest
from boto3.dynamodb.types import TypeDeserializer

from benchmarks.backfill import __main__ as backfill
from benchmarks.backfill import items as backfill_items
from benchmarks.backfill.job import config_of
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.dynamodb.read.export import TableExport
from streamjoin.dynamodb.read.export_manifest import ExportManifest
from streamjoin.entry import parse_job
from tests.faults.local import FakeTable


def test_the_configuration_is_one_that_a_user_could_have():
    config = parse_job(config_of({"dynamodb_table": {"table_name": "receipts"}}, "receipts", "/lake"))
    assert isinstance(config, BackfillConfig)


def test_an_item_is_made_from_its_number_alone_and_has_values_of_dynamodb():
    assert backfill_items.item(5) == backfill_items.item(5)
    read = TypeDeserializer()
    plain = {name: read.deserialize(value) for name, value in backfill_items.item(5).items()}
    assert plain["receiptid"] == backfill_items.receipt_id(5)
    assert plain["total"] == Decimal(backfill_items.total_cents(5)) / 100


def test_an_export_has_all_items_and_passes_the_checks(tmp_path):
    path = backfill_items.write_export(tmp_path, "arn:aws:dynamodb:us-east-1:1:table/t", items=2_005, files=3)
    export = TableExport.of(ExportManifest.read(str(path)))
    found = [item for _, pages in export.pages(range(3)) for page in pages for item in page.items]
    assert len(found) == 2_005
    assert {item["receiptid"]["S"] for item in found} == {backfill_items.receipt_id(n) for n in range(2_005)}


class Numbered(FakeTable):
    """Notes which items it was given."""

    def batch_write_item(self, RequestItems):
        ((_, requests),) = RequestItems.items()
        self.written += [request["PutRequest"]["Item"]["receiptid"]["S"] for request in requests]
        return {}


def test_a_table_gets_each_item_once():
    table = Numbered(25)
    backfill_items.load_table(table, "t", items=60, threads=2)
    assert sorted(table.written) == [backfill_items.receipt_id(n) for n in range(60)]


def rows(ids, cents):
    totals = [Decimal(each) / 100 for each in cents]
    return pa.table({"receiptid": ids, "total": pa.array(totals, pa.decimal128(38, 2))})


@pytest.mark.parametrize(
    ("table", "problems"),
    [
        (rows, 0),
        (lambda ids, cents: rows(ids[:-1], cents[:-1]), 3),
        (lambda ids, cents: rows([*ids[:-1], ids[0]], [*cents[:-1], cents[-1]]), 2),
        (lambda ids, cents: rows(ids, [*cents[:-1], cents[-1] + 1]), 1),
    ],
)
def test_a_table_with_other_rows_is_a_problem(table, problems):
    ids = [backfill_items.receipt_id(n) for n in range(10)]
    cents = [backfill_items.total_cents(n) for n in range(10)]
    assert len(backfill.table_problems(table(ids, cents), 10)) == problems


def test_memory_that_follows_the_number_of_items_is_a_problem():
    tenth = {"driver_bytes": 100, "workers_bytes": 1_000, "jvm_bytes": 10}
    assert backfill.growth_problems(tenth, {**tenth, "driver_bytes": 149, "jvm_bytes": 99}) == []
    assert len(backfill.growth_problems(tenth, {**tenth, "workers_bytes": 1_600})) == 1
