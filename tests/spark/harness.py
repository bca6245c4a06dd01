"""A job over records in memory, and what its tables hold, for the tests of the batch function and of rewriting."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamjoin.config.sink_stages import OrderingSettings
from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.deletes import Deletion
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.order import ORDERING_COLUMN
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.hudi.write import HudiTable
from streamjoin.letters.table import DeadLetters
from streamjoin.query import query
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema
from streamjoin.shards.position import Position, PositionKind, ShardPosition, ShardRange
from streamjoin.spark.schema import RECORD_STRUCT
from streamjoin.streaming.batch import Batch
from tests.oracle import DELETES, EVENT_SCHEMA, Expected, Record
from tests.small_tables import ONE_BUCKET

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)


class CrashError(BaseException):
    """What no code of ours catches."""


def crash_at(step: str | None, time: int = 1) -> Callable[[str], None]:
    """Return an `on_step` that dies when `step` has been done so many times."""
    times = itertools.count(1)

    def on_step(done: str) -> None:
        if done == step and next(times) == time:
            raise CrashError(step)

    return on_step


def make_job(
    folder: Path, *references: Any, table_type: str = "COPY_ON_WRITE", schema: str = EVENT_SCHEMA, **parts: Any
) -> EnrichJob:
    return EnrichJob(
        name="test",
        schema=parse_schema(schema),
        references=references,
        partition_by=(),
        table=HudiTable(str(folder / "t"), "t", ("id",), ORDERING_COLUMN, table_type=table_type, options=ONE_BUCKET),
        dead_letters=DeadLetters(str(folder / "dead"), "dead"),
        **{"output": OutputSettings(), "ordering": OrderingSettings(column="at", format="M/d/yy"), **parts},
    )


def deletion_of(folder: Path, when: str = f"amount = {DELETES}") -> Deletion:
    """Return what deletes rows of the job of `make_job`, as a process has it after `open`."""
    tombstones = Tombstones(str(folder / "t"), 24)
    tombstones.open()
    return Deletion(when, ("id",), tombstones)


def frame(spark: SparkSession, records: Sequence[Record]) -> DataFrame:
    return spark.createDataFrame(list(map(values_of, records)), RECORD_STRUCT)


def values_of(record: Record) -> tuple[Any, ...]:
    arrived = ARRIVED + timedelta(seconds=record.sequence)
    return ("s", record.shard_id, str(record.sequence), 0, "k", arrived, bytearray(record.payload))


def batch_of(spark: SparkSession, number: int, records: Sequence[Record], *, in_driver: bool = True) -> Batch:
    """Return a batch, as the driver fetches it, or as executors do."""
    ranges = tuple(
        ShardRange(shard, str(mine[0].sequence), str(mine[-1].sequence), len(mine), 0, drained=False,
                   millis_behind_latest=0, read_at_ms=0)
        for shard, mine in (
            (shard, [r for r in records if r.shard_id == shard]) for shard in sorted({r.shard_id for r in records})
        )
    )  # fmt: skip
    places = {r.shard_id: ShardPosition(PositionKind.AFTER, sequence_number=r.last) for r in ranges}
    columns = list(zip(*map(values_of, records), strict=True)) or [()] * len(RECORD_SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RECORD_SCHEMA, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=RECORD_SCHEMA) if in_driver else None
    return Batch(f"batch-{number}", frame(spark, records), Position("s", places), ranges, table=table)


def rows_of(job: EnrichJob, prefix: str = "") -> dict[str, dict[str, Any]]:
    # A prefix made by this test.
    sql = f"select id, country, \"at\", amount, combinedname, _ordering_us from t where starts_with(id, '{prefix}')"  # noqa: S608
    found = query(job.table.base_path, sql).to_pylist()
    assert len({row["id"] for row in found}) == len(found), "a record key is there twice"
    return {row["id"]: row for row in found}


def places_of(job: EnrichJob, prefix: str = "") -> dict[str, str]:
    sql = f"select id, _sequence_number from t where starts_with(id, '{prefix}')"  # noqa: S608  (as above)
    return {row["id"]: row["_sequence_number"] for row in query(job.table.base_path, sql).to_pylist()}


def dead_letters_of(job: EnrichJob, shards: Sequence[str]) -> dict[tuple[str, int], tuple[str, bytes]]:
    if not Path(job.dead_letters.base_path).exists():
        return {}
    found = query(job.dead_letters.base_path, "select shard_id, sequence_number, reason, data from t").to_pylist()
    mine = [row for row in found if row["shard_id"] in shards]
    letters = {(row["shard_id"], int(row["sequence_number"])): (row["reason"], row["data"]) for row in mine}
    assert len(letters) == len(mine), "a dead letter is there twice"
    return letters


def check(job: EnrichJob, prefix: str, records: Sequence[Record], expected: Expected) -> None:
    assert rows_of(job, prefix) == expected.rows
    assert places_of(job, prefix) == {key: str(place) for key, place in expected.places.items()}
    letters = dead_letters_of(job, sorted({r.shard_id for r in records}))
    assert {place: reason for place, (reason, _) in letters.items()} == expected.dead_letters
    payloads = {(r.shard_id, r.sequence): r.payload for r in records}
    assert all(payloads[place] == data for place, (_, data) in letters.items())
