"""The reading of a plan through Spark: a task a shard, whose last row says what the read came to.

The frame's internal column `_end` is null but in that row. So the ranges of a batch come out of the same evaluation as
its records, and a repeated evaluation (a lost executor) is measured by the ranges fixed from the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import DataLossError, SourceError
from streamjoin.schema import RECORD_ARROW_SCHEMA, RECORD_FIELDS, RECORD_SCHEMA, arrow_schema
from streamjoin.sources.kinesis_client import stream_client
from streamjoin.sources.kinesis_plan import Plan, ShardRead
from streamjoin.sources.kinesis_shard import ShardReading
from streamjoin.sources.position import LostRange, ShardRange

_END = "_end"
_END_SCHEMA = T.StructType(
    [
        T.StructField("first", T.StringType()),
        T.StructField("last", T.StringType()),
        T.StructField("records", T.LongType()),
        T.StructField("bytes", T.LongType()),
        T.StructField("drained", T.BooleanType()),
        T.StructField("millis_behind_latest", T.LongType()),
        T.StructField("read_at_ms", T.LongType()),
        T.StructField("is_lossy", T.BooleanType()),
        T.StructField("lost_after", T.StringType()),
        T.StructField("lost_first_available", T.StringType()),
        T.StructField("after", T.StringType()),
        T.StructField("error", T.StringType()),
        T.StructField("is_data_loss", T.BooleanType()),
        T.StructField("is_retryable", T.BooleanType()),
    ]
)
_SCHEMA = T.StructType([*RECORD_SCHEMA.fields, T.StructField(_END, _END_SCHEMA)])
_ARROW_SCHEMA = arrow_schema(_SCHEMA)
# Sequence numbers have up to 56 digits; padded to one width, text order is number order.
_PADDED_DIGITS = 64


def read(spark: SparkSession, plan: Plan) -> DataFrame:
    """Read the plan in executors, each shard in a task of its own, within its share of the limits.

    Lazy: persist the frame, then take its `ranges`. An error of a shard is raised there.

    Columns out:
        Those of `schema.RECORD_SCHEMA`, and `_end`; only `ranges` and `bounded` can use the frame.
    """
    count = len(plan.reads)
    if count == 0:
        return spark.createDataFrame([], _SCHEMA)
    # A range of as many partitions as rows needs no shuffle; the row's number is the read's.
    return spark.range(0, count, 1, count).mapInArrow(ReadShards(plan), _SCHEMA)


def ranges(frame: DataFrame) -> tuple[ShardRange, ...]:
    """Return what each shard's read came to, by shard id, in one pass. From here on the batch is fixed.

    Columns in:
        Those that `read` gives; the frame should be persisted.

    Raises:
        DataLossError: A position is no longer held, and `fail_on_data_loss` is true.
        SourceError: Stream missing, denied or unreachable.
    """
    ends = frame.where(F.col(_END).isNotNull()).select("shard_id", f"{_END}.*").collect()
    failed = [end for end in ends if end["error"] is not None]
    if failed:
        # What no repetition can mend comes first.
        worst = min(failed, key=lambda end: (not end["is_data_loss"], end["is_retryable"], end["shard_id"]))
        kind = DataLossError if worst["is_data_loss"] else SourceError
        raise kind(worst["error"], retryable=worst["is_retryable"])
    return tuple(sorted((_range(end) for end in ends), key=lambda r: r.shard_id))


def bounded(frame: DataFrame, ranges: Sequence[ShardRange]) -> DataFrame:
    """Return the records of the ranges, whatever a repeated read of a lost partition finds by then.

    When it finds less, the task fails, so that no commit can hold less than it says.

    Columns in:
        Those that `read` gives.

    Columns out:
        Those of `schema.RECORD_SCHEMA`.
    """
    if not ranges:
        return frame.where(F.lit(False)).select(*RECORD_FIELDS)
    first = _lookup(ranges, "first")
    last = _lookup(ranges, "last")
    end = F.col(_END)
    # A shard of which nothing was read has null bounds: coalesce keeps its later records out.
    in_range = F.coalesce(_padded("sequence_number").between(first, last), F.lit(False))
    is_short = (
        end["error"].isNotNull()
        | ~_padded(f"{_END}.first").eqNullSafe(first)
        | (F.coalesce(_padded(f"{_END}.last"), F.lit("")) < last)
    )
    message = F.concat(
        F.lit("shard '"),
        F.col("shard_id"),
        F.lit("' read again after a lost task holds less than before: expected up to "),
        last,
        F.lit(", found up to "),
        F.coalesce(end["last"], F.lit("nothing")),
        F.coalesce(F.concat(F.lit(": "), end["error"]), F.lit("")),
    )
    is_checked = F.when(last.isNotNull() & is_short, F.raise_error(message).cast("boolean")).otherwise(F.lit(False))
    return frame.where(F.when(end.isNotNull(), is_checked).otherwise(in_range)).select(*RECORD_FIELDS)


def _padded(column: str) -> Column:
    return F.lpad(F.col(column), _PADDED_DIGITS, "0")


def _lookup(ranges: Sequence[ShardRange], bound: str) -> Column:
    pairs = [F.lit(value) for r in ranges for value in (r.shard_id, getattr(r, bound))]
    return F.lpad(F.create_map(*pairs)[F.col("shard_id")], _PADDED_DIGITS, "0")


def _range(end: T.Row) -> ShardRange:
    lost = LostRange(end["lost_after"], end["lost_first_available"]) if end["is_lossy"] else None
    return ShardRange(
        end["shard_id"],
        end["first"],
        end["last"],
        end["records"],
        end["bytes"],
        end["drained"],
        end["millis_behind_latest"],
        end["read_at_ms"],
        lost,
        end["after"],
    )


@dataclass(frozen=True)
class ReadShards:
    """What a task runs; of the package, so that a worker's clients and iterators outlive the task.

    Args:
        plan: The plan, whose reads the incoming rows number.
    """

    plan: Plan

    def __call__(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read each numbered shard: its records, then its end row."""
        for batch in rows:
            numbers: list[int] = batch.to_pydict()["id"]
            for number in numbers:
                yield from self._read(self.plan.reads[number])

    def _read(self, shard_read: ShardRead) -> Iterator[pa.RecordBatch]:
        end: dict[str, Any] = {}
        batches: list[pa.RecordBatch] = []
        last: str | None = None
        try:
            client = stream_client(self.plan.stream)
            reading = ShardReading(client, shard_read)
            reading.read_up_to(shard_read.limits, client.clock.monotonic() + shard_read.limits.seconds)
            end, batches = _end_values(reading.range()), reading.batches
            last = end["last"]
        except SourceError as error:
            # A raise would come to the driver as text after four attempts; a row brings it as what it is.
            is_data_loss = isinstance(error, DataLossError)
            end = {"error": str(error), "is_data_loss": is_data_loss, "is_retryable": error.retryable}
        for batch in batches:
            nothing = pa.nulls(batch.num_rows, _ARROW_SCHEMA.field(_END).type)
            yield pa.RecordBatch.from_arrays([*batch.columns, nothing], schema=_ARROW_SCHEMA)
        row = dict.fromkeys(RECORD_ARROW_SCHEMA.names) | {
            "stream": self.plan.stream.name,
            "shard_id": shard_read.shard_id,
            "sequence_number": last,
            _END: dict.fromkeys(_END_SCHEMA.names) | end,
        }
        yield pa.RecordBatch.from_pylist([row], schema=_ARROW_SCHEMA)


def _end_values(shard_range: ShardRange) -> dict[str, Any]:
    values = shard_range.to_dict()
    shard_id, lost = values.pop("shard_id"), values.pop("lost")
    del shard_id
    if lost is not None:
        values |= {"is_lossy": True, "lost_after": lost["after"], "lost_first_available": lost["first_available"]}
    return values
