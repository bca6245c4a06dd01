"""A whole job with references whose items change their types: nothing loses its match, no text gets quotes."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from streamjoin.enrich.config.rewriting import RewritingPlan
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.enrich.rewrite import rewrite
from streamjoin.history import checkpoint
from streamjoin.query import query
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from tests.faults.reference import FakeDynamoDb, settings
from tests.faults.stream import FakeTableStream
from tests.oracle import Record
from tests.spark.harness import batch_of, make_job

MIXED = [
    {"pk": {"S": "1"}, "cname": {"S": "India"}, "code": {"S": "IN"}, "local": {"S": "Bharat"}},
    {"pk": {"S": "2"}, "cname": {"S": "Japan"}, "code": {"S": "JP"}, "local": {"S": "Nippon"}},
    {"pk": {"S": "3"}, "cname": {"N": "5"}, "code": {"S": "FIVE"}, "local": {"N": "5"}},
    {"pk": {"S": "4"}, "cname": {"M": {}}, "code": {"S": "MAP"}, "local": {"L": [{"S": "x"}]}},
]
SCAN = {"follow": "scan", "interval_seconds": 60, "max_staleness_seconds": 300}
FOLLOW = {"follow": "changes", "max_staleness_seconds": 300}


class Products:
    """A table of prices with a stream, and the job over it, as each process has it."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder, self.stream = spark, folder, FakeTableStream(keys=("sku",))
        self.table = FakeDynamoDb([], key=(("sku", "S"),), stream={
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": self.stream.view_type},
            "LatestStreamArn": self.stream.arn,
        })  # fmt: skip
        self.table.items = self.stream.items

    def put(self, sku: str, price: dict[str, Any]) -> None:
        self.stream.put({"sku": {"S": sku}, "price": price})

    def start(self) -> EnrichJob:
        mixed = FakeDynamoDb(MIXED, key=(("pk", "S"),))
        by_name = settings(name="country", on={"country": "cname"}, columns=["code"], refresh=SCAN)
        by_id = settings(name="by_id", on={"id": "pk"}, columns=["local"], refresh=SCAN)
        product = settings(
            name="product", on={"sku": "sku"}, columns=["price"], refresh=FOLLOW, on_change="rewrite_rows"
        )
        feed = TableFeed(product.dynamodb, product.refresh, client=self.table, streams=lambda: self.stream)
        references = [
            *(Reference(each, client=mixed, spark=self.spark) for each in (by_name, by_id)),
            Reference(product, client=self.table, spark=self.spark, feed=feed),
        ]
        plan = RewritingPlan(("product",), {}, ("price",), 10)
        schema = "id string, country string, sku string, at string"
        job = make_job(self.folder, *references, schema=schema, rewriting=plan)
        found = checkpoint.read(job.table.base_path)
        for reference in references if found else []:
            reference.restore(found.references.get(reference.name))
        return job


def send(spark: SparkSession, job: EnrichJob, number: int, *events: tuple[str, str, str]) -> str:
    records = [
        Record("shard-0", 10 * number + place, json.dumps({"id": i, "country": c, "sku": s, "at": "1/1/10"}).encode())
        for place, (i, c, s) in enumerate(events)
    ]
    return process_batch(job, batch_of(spark, number, records)).line()


def test_mixed_items_match_without_quotes_and_a_fraction_comes_into_a_column_of_whole_numbers(
    spark: SparkSession, tmp_path: Path
) -> None:
    products = Products(spark, tmp_path)
    products.put("a", {"N": "10"})
    products.put("b", {"N": "20"})
    job = products.start()

    first = send(spark, job, 1, ("1", "India", "a"), ("2", "Japan", "b"), ("3", "5", "b"), ("4", "{}", "a"))
    products.put("a", {"N": "9.99"})
    products.put("b", {"S": "on request"})
    second = send(spark, job, 2, ("5", "India", "a"))
    rewrite(job, spark)
    job = products.start()
    third = send(spark, job, 3, ("6", "India", "a"))

    assert ("misfits.country.cname=1" in first, "misfits.product" in first) == (True, False)
    assert all("misfits.product.price=1" in line for line in (second, third))
    rows = query(job.table.base_path, "select id, code, local, price from t order by id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("1", "IN", "Bharat", Decimal("9.99")),
        ("2", "JP", "Nippon", None),
        ("3", "FIVE", "5", None),
        ("4", None, '["x"]', Decimal("9.99")),
        ("5", "IN", None, Decimal("9.99")),
        ("6", "IN", None, Decimal("9.99")),
    ]
