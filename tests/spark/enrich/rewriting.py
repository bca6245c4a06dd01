"""A job whose rows follow a reference that changes."""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich import rewrite
from streamjoin.enrich.config.rewriting import RewritingPlan
from streamjoin.enrich.job import EnrichJob
from streamjoin.history import checkpoint
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from tests.faults.reference import FakeDynamoDb, reference_settings_of
from tests.faults.stream import FakeTableStream
from tests.oracle import EVENT_SCHEMA, Record, expected_versions
from tests.spark.harness import CrashError, batch_of, deletion_of, make_job, rows_of


def item(code: str, name: str, value: str) -> dict[str, dict[str, Any]]:
    return {"code": {"S": code}, "countryname": {"S": name}, "combinedname": {"S": value}}


class World:
    """A table with a stream, a job over it that can be started again, and what the oracle needs to know.

    `countries` of an example have a prefix of their own, since all examples share one lake.
    """

    def __init__(
        self,
        spark: SparkSession,
        folder: Path,
        *,
        on_change: str = "rewrite_rows",
        how: str = "left",
        schema: str = EVENT_SCHEMA,
        version_columns: Mapping[str, str] | None = None,
    ) -> None:
        self.schema, self.version_columns = schema, version_columns or {}
        self.spark, self.folder, self.on_change, self.max_rows, self.how = spark, folder, on_change, 2, how
        self.stream = FakeTableStream(keys=("code",), shards=2)
        self.table = FakeDynamoDb([], stream={
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": self.stream.view_type},
            "LatestStreamArn": self.stream.arn,
        })  # fmt: skip
        self.table.items = self.stream.items
        self.numbers = itertools.count(1)
        self.seen: list[tuple[Record, dict[str, str]]] = []
        self.job = self.start()

    def start(self) -> EnrichJob:
        """Return the job as a new process has it."""
        chosen = reference_settings_of(on_change=self.on_change, how=self.how)
        feed = TableFeed(chosen.dynamodb, chosen.refresh, client=self.table, streams=lambda: self.stream)
        reference = Reference(chosen, client=self.table, spark=self.spark, feed=feed)
        plan = RewritingPlan(("country",), {}, ("combinedname",), self.max_rows)
        parts = {"rewriting": plan if self.on_change == "rewrite_rows" else None, "deletion": deletion_of(self.folder)}
        job = make_job(self.folder, reference, schema=self.schema, version_columns=self.version_columns, **parts)
        found = checkpoint.read(job.table.base_path)
        if found is not None:
            reference.restore(found.references.get("country"))
        return job

    def put(self, code: str, name: str, value: str) -> None:
        self.stream.put(item(code, name, value))

    def delete(self, code: str) -> None:
        self.stream.delete({"code": {"S": code}})

    def reference(self) -> dict[str, str]:
        """Return what the table says now: of several items with one name the one with the lowest code counts."""
        items = sorted(self.stream.items, key=lambda item: item["code"]["S"], reverse=True)
        return {item["countryname"]["S"]: item["combinedname"]["S"] for item in items}

    def send(self, *events: dict[str, Any], on_step: Callable[[str], None] = lambda step: None) -> None:
        """Process one batch; an event that lacks a time has the same as all others."""
        records = [
            Record("shard-0", next(self.numbers), json.dumps({"at": "1/1/10", "amount": 1, **each}).encode())
            for each in events
        ]
        batch = batch_of(self.spark, records[0].sequence, records)
        try:
            enrich.process_batch(self.job, batch, on_step=on_step)
        except CrashError:
            self.job = self.start()
            found = checkpoint.read(self.job.table.base_path)
            is_committed = found is not None and found.position == batch.position
            if not is_committed:
                enrich.process_batch(self.job, batch)
        self.seen += [(record, self.reference()) for record in records]

    def rewrite(self, on_step: Callable[[str], None] = lambda step: None) -> rewrite.RewriteReport:
        try:
            return rewrite.rewrite(self.job, self.spark, on_step=on_step)
        except CrashError:
            self.job = self.start()
            return rewrite.RewriteReport(0, is_complete=False)

    def settle(self) -> int:
        """Rewrite until nothing is left; return how many rows that were."""
        rows = 0
        for _ in range(50):
            report = self.rewrite()
            rows += report.rows
            if report.is_complete:
                return rows
        pytest.fail("rewriting comes to no end")

    def expected(self, prefix: str = "") -> dict[str, dict[str, Any]]:
        """Return the oracle's rows."""
        now = self.reference() if self.on_change == "rewrite_rows" else None
        expected = expected_versions(self.seen, now, deletes=True)
        return {key: row for key, row in expected.rows.items() if key.startswith(prefix)}

    def check(self, prefix: str = "") -> None:
        assert rows_of(self.job, prefix) == self.expected(prefix)


def event(key: str, country: str, at: str = "1/1/10", amount: int = 1) -> dict[str, Any]:
    return {"id": key, "country": country, "at": at, "amount": amount}
