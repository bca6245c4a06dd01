"""Captures and backfills as processes, killed at random instants while the tables change."""

import random
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.backfill import pipeline as backfill
from streamjoin.capture import pipeline as capture
from streamjoin.entry import load_job
from streamjoin.local.processes import signal_group
from streamjoin.local.tables import create_stream, create_table, put_items
from streamjoin.query import query, read_table
from streamjoin.verify import verify_journal
from tests.e2e.job_file import JobFile, java_of, wait_for
from tests.small_tables import ONE_BUCKET

ITEMS_BEFORE = 150


@dataclass
class Job(JobFile):
    """One configuration."""

    folder: Path
    name: str
    document: dict[str, Any]
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / f"{self.name}.yaml"
        self.config.write_text(yaml.safe_dump(self.document))


class Shop:
    """Two DynamoDB tables whose changes go to one stream, and how many changes each has had."""

    def __init__(self, folder: Path) -> None:
        self.dynamodb: Any = aws_client("dynamodb")
        self.dice = random.Random(11)
        self.changes = {"shop_orders": 0, "shop_events": 0}
        create_stream(aws_client("kinesis"), "shop-changes", 2)
        for name in self.changes:
            create_table(self.dynamodb, name, {"id": "S"})
        put_items(self.dynamodb, "shop_orders", ({"id": f"k{n}", "n": n} for n in range(ITEMS_BEFORE)))
        kinesis: Any = aws_client("kinesis")
        arn = kinesis.describe_stream_summary(StreamName="shop-changes")["StreamDescriptionSummary"]["StreamARN"]
        for name in self.changes:
            self.dynamodb.enable_kinesis_streaming_destination(TableName=name, StreamArn=arn)
        orders = {"base_path": f"{folder}/orders", "table_name": "orders", "record_key": ["id"], "options": ONE_BUCKET}
        self.entry = {"table_name": "shop_orders", "schema": "id string, n bigint", "sink": {"hudi": orders}}
        template = {"base_path": f"{folder}/changes/{{table}}", "table_name": "{table}_changes", "options": ONE_BUCKET}
        self.capture = Job(
            folder,
            "capture",
            {
                "job": "capture",
                "name": "capture",
                "source": {"kinesis": {"stream_name": "shop-changes"}},
                "tables": [self.entry, {"table_name": "*", "layout": "changelog", "sink": {"hudi": template}}],
                "dead_letters": {"base_path": f"{folder}/dead"},
                "limits": {"max_records_per_batch": 40},
                "trigger": {"interval_seconds": 0.1},
            },
        )
        self.backfill = Job(
            folder,
            "backfill",
            {
                "job": "backfill",
                "name": "backfill",
                "source": {"dynamodb_table": {"table_name": "shop_orders", "segments": 2}},
                "tables": [self.entry],
                "dead_letters": {"base_path": f"{folder}/backfill_dead"},
            },
        )

    def change(self, times: int) -> None:
        """Put and delete items, each at random; every change is one that the stream tells of."""
        for _ in range(times):
            name = self.dice.choice(list(self.changes))
            key = {"id": {"S": f"k{self.dice.randrange(ITEMS_BEFORE + 50)}"}}
            if self.dice.random() < 0.3:
                answer = self.dynamodb.delete_item(TableName=name, Key=key, ReturnValues="ALL_OLD")
                self.changes[name] += "Attributes" in answer
            else:
                self.changes[name] += 1
                self.dynamodb.put_item(TableName=name, Item={**key, "n": {"N": str(self.dice.randrange(10**9))}})

    def items(self, name: str) -> dict[str, int]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=name)
        return {item["id"]["S"]: int(item["n"]["N"]) for page in pages for item in page["Items"]}


def test_killed_at_random_instants_a_capture_and_a_backfill_leave_the_tables_own_content(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(tmp_path)
    pauses = random.Random(5)
    with shop.backfill.running():
        wait_for(lambda: "segments" in shop.backfill.log() or (tmp_path / "orders").exists())
        shop.change(40)
    # At each step it dies in tests/integration/capture/test_capture.py.
    with shop.capture.running() as process:
        shop.change(20)
        wait_for(lambda: " kept=" in shop.capture.log())
        shop.change(80)
        # Somewhere in the batches that follow.
        threading.Event().wait(pauses.random() * 2)
        signal_group(process.pid, signal.SIGKILL)
        # Its Java, which no signal to the group reaches, ends all the same.
        wait_for(lambda: not java_of("capture"))
    # In this process, which saves two starts; what is left comes in one batch.
    assert backfill.run(load_job(shop.backfill.config)).is_complete
    shop.capture.document["limits"]["max_records_per_batch"] = 1_000
    assert capture.run(load_job(shop.capture.document), until_caught_up=True).caught_up

    rows = query(str(tmp_path / "orders"), "select id, n from t").to_pylist()
    assert len(rows) == len({row["id"] for row in rows})
    assert {row["id"]: row["n"] for row in rows} == shop.items("shop_orders")
    log = read_table(str(tmp_path / "changes" / "shop_events"))
    assert log.num_rows == shop.changes["shop_events"]
    report = verify_journal(str(tmp_path / "dead_journal"), str(tmp_path / "dead"))
    assert report.holds, report.lines()
    assert report.records == sum(shop.changes.values())
