"""Change capture on this machine: what was in a DynamoDB table before, and what happens to it then, in the lake."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import query
from streamjoin.errors import SinkError
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.stage import STARTING, Stage
from streamjoin.local.samples.samples import SampleName
from streamjoin.local.samples.seed import seed_table
from streamjoin.local.tables import create_stream

STREAM: Final = "table-changes"
SHARDS: Final = 2
ORDERS, RECEIPTS = "orders", "receipts"
DEFAULT_RECORDS: Final = 1_000
# Of the orders that are there: so many come later, and receipts are a part of them too.
_LATER_SHARE: Final = 5
STEPS: Final = 9

_NOW_SQL: Final = (
    "SELECT product_name, count(*) AS orders, sum(quantity) AS quantity, sum(quantity * price) AS amount "
    "FROM orders GROUP BY ALL ORDER BY product_name"
)
_CHANGED_SQL: Final = (
    "SELECT orderid, product_name, quantity, price FROM orders WHERE orderid IN ({ids}) ORDER BY orderid"
)
_LOG_SQL: Final = (
    "SELECT dt, operation, count(*) AS changes, min(changed_at) AS earliest FROM receipts_changes "
    "GROUP BY ALL ORDER BY dt, operation"
)


def capture_demo(*, records: int | None, s3: bool, console: Console) -> None:
    """Show backfill and capture of a table `orders`, and the log of all changes of a table `receipts`.

    Everything it makes is below `.demo/capture` of the current directory.

    Args:
        records: Orders that are there before capture begins.
        s3: Write the tables to the embedded S3 instead of the disk.
        console: Where to tell about it.

    Raises:
        StreamJoinError: A job ended, or its table stopped following before it was equal to the source.
    """
    with Stage.opened("capture", STEPS, s3=s3, console=console) as stage:
        _Demo(records or DEFAULT_RECORDS, stage).play()


def orders_table(root: str) -> dict[str, Any]:
    """Return the entry of `tables` that both jobs have of the orders."""
    return {
        "table_name": ORDERS,
        "layout": "current",
        "schema": "orderid string, product_name string, quantity bigint, price decimal(10,2)",
        "sink": {"hudi": {"base_path": f"{root}/orders", "table_name": "orders", "record_key": ["orderid"]}},
    }


def capture_config(root: str) -> dict[str, Any]:
    """Return the capture's configuration: orders as they are now, every change of the receipts."""
    changes = {"base_path": f"{root}/receipts_changes", "table_name": "receipts_changes"}
    return {
        "job": "capture",
        "name": "demo-capture",
        "source": {"kinesis": {"stream_name": STREAM}},
        "tables": [
            orders_table(root),
            {"table_name": RECEIPTS, "layout": "changelog", "sink": {"hudi": changes}},
        ],
        "dead_letters": {"base_path": f"{root}/dead_letters"},
        "trigger": {"interval_seconds": 1},
    }


def backfill_config(root: str) -> dict[str, Any]:
    """Return the configuration of the backfill of the orders."""
    return {
        "job": "backfill",
        "name": "demo-backfill",
        "source": {"dynamodb_table": {"table_name": ORDERS}},
        "tables": [orders_table(root)],
        "dead_letters": {"base_path": f"{root}/backfill_dead_letters"},
    }


class _Demo:
    """The steps between the start of the services and their end."""

    def __init__(self, records: int, stage: Stage) -> None:
        self.records, self.stage, self.narrator = records, stage, stage.narrator
        self.later = max(1, records // _LATER_SHARE)
        self.receipt_changes = 0
        self.dynamodb: Any = aws_client("dynamodb")

    def play(self) -> None:
        self._seed()
        self.path = self.stage.write("capture.yaml", capture_config(self.stage.root))
        self._backfill()
        self.stage.show(self.path, "what a query shows of what was there before", _NOW_SQL)
        with self.narrator.step(f"start the job: streamjoin run {self.path}"):
            job = self.stage.job(self.path, "capture.log")
        title = f"streamjoin seed-table: {self.later:,} more orders, {self.later:,} receipts"
        with self.narrator.step(title) as step:
            seed_table(SampleName.ORDERS, ORDERS, records=self.records + self.later)
            step.outcome = str(seed_table(SampleName.RECEIPTS, RECEIPTS, records=self.later))
        self.receipt_changes = self.later
        self._wait(job, "the job brings them into the lake, every order as it is now")
        changed_sql = _CHANGED_SQL.format(ids=", ".join(f"'{each}'" for each in self._change()))
        self._wait(job, "the same job applies them: updated, gone, and new")
        self.stage.show(self.path, "the orders that were changed; those that were deleted are gone", changed_sql)
        self.stage.show(self.path, "every change of the receipts, by the day on which it happened", _LOG_SQL)
        with self.narrator.step("stop: SIGTERM, the job finishes the batch in hand") as step:
            job.finish()
            step.outcome = "exit code 0"
        self.stage.sum_up(
            f"{len(self._rows()):,} orders, equal to the items of the table, item by item.",
            [
                f'streamjoin query {self.path} "{changed_sql}"',
                f'streamjoin query {self.path} "{_LOG_SQL}"',
                f"streamjoin checkpoint show {self.path}",
                f"streamjoin verify {self.path}",
                f"less {self.stage.directory / 'capture.log'}",
            ],
        )

    def _seed(self) -> None:
        title = f"streamjoin seed-table: {self.records:,} items of '{ORDERS}'; from now on changes go to '{STREAM}'"
        with self.narrator.step(title) as step:
            seeded = seed_table(SampleName.ORDERS, ORDERS, records=self.records, create=True)
            seed_table(SampleName.RECEIPTS, RECEIPTS, records=0, create=True)
            kinesis: Any = aws_client("kinesis")
            create_stream(kinesis, STREAM, SHARDS)
            arn = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
            for table_name in (ORDERS, RECEIPTS):
                self.dynamodb.enable_kinesis_streaming_destination(TableName=table_name, StreamArn=arn)
            step.outcome = str(seeded)

    def _backfill(self) -> None:
        path = self.stage.write("backfill.yaml", backfill_config(self.stage.root))
        with self.narrator.step(f"what is there already: streamjoin run {path}") as step:
            self.stage.job(path, "backfill.log").wait()
            step.outcome = f"{len(self._rows()):,} rows"

    def _change(self) -> list[str]:
        """Update three orders, delete two, insert one; update and delete receipts. Return the ids of the orders."""
        updated, deleted, inserted = ("o-000001", "o-000002", "o-000003"), ("o-000004", "o-000005"), "o-new"
        with self.narrator.step("UPDATE 3 orders, DELETE 2, INSERT 1; change and delete receipts") as step:
            for number, orderid in enumerate(updated):
                self._update(ORDERS, {"orderid": {"S": orderid}}, "quantity", {"N": str(100 + number)})
            for orderid in deleted:
                self.dynamodb.delete_item(TableName=ORDERS, Key={"orderid": {"S": orderid}})
            new = {
                "orderid": {"S": inserted},
                "product_name": {"S": "Desk lamp"},
                "quantity": {"N": "1"},
                "price": {"N": "34.9"},
            }
            self.dynamodb.put_item(TableName=ORDERS, Item=new)
            receipts = self.dynamodb.scan(TableName=RECEIPTS, Limit=3)["Items"]
            for item in receipts:
                self._update(RECEIPTS, {"PK": item["PK"], "SK": item["SK"]}, "payment", {"S": "refunded"})
            self.dynamodb.delete_item(TableName=RECEIPTS, Key={"PK": receipts[0]["PK"], "SK": receipts[0]["SK"]})
            self.receipt_changes += len(receipts) + 1
            step.outcome = "10 changes"
        return [*updated, *deleted, inserted]

    def _update(self, table_name: str, key: Mapping[str, Any], attribute: str, value: Mapping[str, str]) -> None:
        self.dynamodb.update_item(
            TableName=table_name,
            Key=key,
            UpdateExpression="SET #a = :v",
            ExpressionAttributeNames={"#a": attribute},
            ExpressionAttributeValues={":v": value},
        )

    def _wait(self, job: JobProcess, title: str) -> None:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=ORDERS, ConsistentRead=True)
        items = dict(_order(item) for page in pages for item in page["Items"])

        def differing() -> int:
            # The tables of one batch are committed side by side: either may be the later one.
            rows = self._rows()
            orders = sum(rows.get(each) != items.get(each) for each in rows.keys() | items.keys())
            return orders + self.receipt_changes - self._changes()

        self.stage.wait(
            title,
            job,
            differing,
            lambda left: f"{left:,} items and changes differ from their rows",
            total=len(items) + self.receipt_changes,
            detail=STARTING,
            outcome=f"{len(items):,} rows, 0 of them differ from the table's items",
        )

    def _rows(self) -> dict[str, tuple[Any, ...]]:
        try:
            rows = query(self.path, "SELECT orderid, product_name, quantity, price FROM orders").to_pylist()
        except SinkError:
            return {}  # no commit yet, or one that is just being replaced
        return {row["orderid"]: (row["product_name"], row["quantity"], row["price"]) for row in rows}

    def _changes(self) -> int:
        try:
            return int(query(self.path, "SELECT count(*) AS n FROM receipts_changes").to_pylist()[0]["n"])
        except SinkError:
            return 0


def _order(item: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return an item's key, and what its row must have."""
    price = Decimal(item["price"]["N"]).quantize(Decimal("0.01"))
    return item["orderid"]["S"], (item["product_name"]["S"], int(item["quantity"]["N"]), price)
