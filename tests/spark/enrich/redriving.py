"""A job whose schema is mended after it ran, and the letters that it wrote until then."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.redrive import redrive
from streamjoin.history import checkpoint
from streamjoin.history.entry import Entry
from streamjoin.history.ledger import Ledger
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import RedriveReport
from streamjoin.reference.followed.reference import Reference
from streamjoin.schema.ddl import parse_schema
from streamjoin.shards.position import TRIM_HORIZON, Position
from tests.faults.reference import FakeDynamoDb
from tests.faults.reference import settings as reference_settings
from tests.oracle import EVENT_SCHEMA, Record
from tests.spark.harness import CrashError, batch_of, make_job

COUNTRIES = {"India": "IN-India", "USA": "US-USA"}
NARROW, WIDE = f"{EVENT_SCHEMA}, note int", f"{EVENT_SCHEMA}, note string"


def event(key: str, at: str = "1/1/10", note: Any = "text", **values: Any) -> bytes:
    return json.dumps({"id": key, "country": "India", "at": at, "amount": 1, "note": note, **values}).encode()


def stream(*payloads: bytes, first: int = 1) -> list[Record]:
    return [Record("shard-0", first + n, payload) for n, payload in enumerate(payloads)]


def country_reference(spark: SparkSession, how: str = "left", countries: dict[str, str] = COUNTRIES) -> Reference:
    items = [{"code": {"S": v[:2]}, "countryname": {"S": k}, "combinedname": {"S": v}} for k, v in countries.items()]
    chosen = reference_settings(
        name="country", on={"country": "countryname"}, columns={"combinedname": "combinedname"}, how=how
    )
    return Reference(chosen, client=FakeDynamoDb(items), spark=spark)


def started(job: EnrichJob) -> EnrichJob:
    """Return the job as a process of its own has it."""
    job = replace(job)
    job.writer.open()
    if job.deletion is not None:
        job.deletion.tombstones.open()
    return job


class World:
    """A table, the job that writes it with a schema that is too narrow, and the one whose schema is mended.

    Events of both have a `note`, which is not written: an int in the one, any text in the other. So the table's columns
    are those of the oracle whichever job writes.
    """

    def __init__(self, spark: SparkSession, folder: Path, *, limits: BatchLimits | None = None, **parts: Any) -> None:
        reference = parts.pop("reference", None) or country_reference(spark)
        output = OutputSettings(drop=["note"])
        self.mended = make_job(folder, reference, **{"schema": WIDE, "output": output, **parts})
        self.narrow = replace(self.mended, schema=parse_schema(NARROW))
        self.spark, self.limits = spark, limits or BatchLimits(1_000, 1_000_000)
        self.position = Position("s", {})
        self.numbers = itertools.count(1)

    def know(self, *shards: str) -> None:
        """Commit that these shards are read from their beginning, as the first start of a job does."""
        self.position = Position("s", {**self.position.shards, **dict.fromkeys(shards, TRIM_HORIZON)})
        enrich.process_batch(started(self.mended), replace(batch_of(self.spark, 0, []), position=self.position))

    def send(
        self,
        records: Sequence[Record],
        job: EnrichJob | None = None,
        *,
        on_step: Callable[[str], None] = lambda step: None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Process a batch; after a crash before its commit, `meanwhile` comes and then the batch again."""
        job, batch = job or self.narrow, batch_of(self.spark, next(self.numbers), records)
        batch = replace(batch, position=self.position.advance(batch.ranges))
        try:
            enrich.process_batch(started(job), batch, on_step=on_step)
        except CrashError:
            found = checkpoint.read(job.table.base_path)
            if found is None or found.position != batch.position:
                meanwhile()
                enrich.process_batch(started(job), batch)
        assert batch.position is not None
        self.position = batch.position

    def redrive(self, letters: LetterFilter | None = None, **steps: Callable[[str], None]) -> RedriveReport:
        return redrive(replace(self.mended), self.spark, self.limits, letters, **steps)

    def history(self) -> list[Entry]:
        ledger = Ledger(self.mended.table.base_path)
        ledger.follow()
        return list(ledger.entries())

    def newest(self) -> Entry:
        found = checkpoint.read(self.mended.table.base_path)
        assert found is not None
        return found
