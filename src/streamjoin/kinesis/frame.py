"""The reading of a plan through Spark: tasks share the shards, and each shard's last row says what its read came to.

The frame's internal column `_end` is null but in that row. So the ranges of a batch come out of the same evaluation as
its records, and a repeated evaluation (a lost executor) is measured by the ranges fixed from the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.client import stream_client
from streamjoin.kinesis.plan import Plan
from streamjoin.kinesis.readings import ShardReadings, worst
from streamjoin.schema.columns import RECORD_FIELDS, RECORD_SCHEMA, SEQUENCE_NUMBER_DIGITS
from streamjoin.schema.ddl import parse_schema
from streamjoin.shards.arrivals import Arrivals, sample
from streamjoin.shards.position import LostRange, ShardRange
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

_END = "_end"
_END_SCHEMA = parse_schema(
    "first string, last string, records bigint, bytes bigint, drained boolean, millis_behind_latest bigint, "
    "read_at_ms bigint, is_lossy boolean, lost_after string, lost_first_available string, after string, "
    "last_arrived_ms bigint, empty bigint, arrived array<bigint>, error string, is_data_loss boolean, "
    "is_retryable boolean"
)
# The number of the shard's read in the plan: what belongs to a shard is found by it at the same cost for any number.
_READ = "_read"
_SCHEMA = pa.schema([*RECORD_SCHEMA, pa.field(_READ, pa.int32()), pa.field(_END, pa.struct(_END_SCHEMA))])
_ARRIVED = "approximate_arrival_timestamp"
_TASKS_PER_CORE = 4
# In each task. A read mostly waits for the service.
_THREADS = 8


def read(spark: SparkSession, plan: Plan) -> DataFrame:
    """Read the plan in executors, each shard within its share of the limits; up to four tasks for each core.

    Lazy: persist the frame, then take its `ranges`. An error of a shard is raised there.

    Columns out:
        Those of `schema.RECORD_SCHEMA`, `_read` and `_end`; only `ranges` and `bounded` can use the frame.
    """
    tasks = min(len(plan.reads), _TASKS_PER_CORE * spark.sparkContext.defaultParallelism)
    if tasks == 0:
        return spark.createDataFrame([], to_spark(_SCHEMA))
    # A range of as many partitions as rows needs no shuffle; the row's number is the task's.
    return map_batches(spark.range(0, tasks, 1, tasks), ReadShards(plan, tasks), to_spark(_SCHEMA))


@dataclass(frozen=True)
class Ends:
    """What the reads of a batch came to.

    Args:
        ranges: That of each shard, by shard id.
        arrivals: When the records had arrived; None without records.
    """

    ranges: tuple[ShardRange, ...]
    arrivals: Arrivals | None


def ranges(frame: DataFrame) -> tuple[ShardRange, ...]:
    """Return the ranges alone of `ends`."""
    return ends(frame).ranges


def ends(frame: DataFrame) -> Ends:
    """Return what each shard's read came to, in one pass. From here on the batch is fixed.

    Columns in:
        Those that `read` gives; the frame should be persisted.

    Raises:
        DataLossError: A position is no longer held, and `fail_on_data_loss` is true.
        SourceError: Stream missing, denied or unreachable.
    """
    found = frame.where(F.col(_END).isNotNull()).select("shard_id", f"{_END}.*").collect()
    errors = [_error(end) for end in found if end["error"] is not None]
    if errors:
        raise worst(errors)
    arrivals = Arrivals.of((end["records"], end["arrived"] or ()) for end in found)
    return Ends(tuple(sorted(map(_range, found), key=lambda r: r.shard_id)), arrivals)


def bounded(frame: DataFrame, ranges: Sequence[ShardRange]) -> DataFrame:
    """Return the records of the ranges, whatever a repeated read of a lost partition finds by then.

    When it finds less, the task fails, so that no commit can hold less than it says.

    Args:
        frame: What `read` gave.
        ranges: Its `ranges`: one for each read of the plan, by shard id.

    Columns in:
        Those that `read` gives.

    Columns out:
        Those of `schema.RECORD_SCHEMA`.
    """
    if not ranges:
        return frame.where(F.lit(False)).select(*RECORD_FIELDS)
    first, last = _bound([r.first for r in ranges]), _bound([r.last for r in ranges])
    end = F.col(_END)
    in_range = _padded("sequence_number").between(first, last)
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
    is_checked = F.when((last != "") & is_short, F.raise_error(message).cast("boolean")).otherwise(F.lit(False))
    return frame.where(F.when(end.isNotNull(), is_checked).otherwise(in_range)).select(*RECORD_FIELDS)


def _padded(column: str) -> Column:
    return F.lpad(F.col(column), SEQUENCE_NUMBER_DIGITS, "0")


def _bound(numbers: Sequence[str | None]) -> Column:
    """Return the bound of a row's shard; none is the empty text, below every number.

    One literal, split once by the optimizer: with 5,000 shards a map takes ten times as long, a join 0.2 s more.
    """
    text = ",".join("" if number is None else number.zfill(SEQUENCE_NUMBER_DIGITS) for number in numbers)
    return F.split(F.lit(text), ",")[F.col(_READ)]


def _error(end: Row) -> SourceError:
    kind = DataLossError if end["is_data_loss"] else SourceError
    return kind(end["error"], retryable=end["is_retryable"])


def _range(end: Row) -> ShardRange:
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
        end["last_arrived_ms"],
        end["empty"] or 0,
    )


@dataclass(frozen=True)
class ReadShards:
    """What a task runs; of the package, so that a worker's clients and iterators outlive the task.

    Args:
        plan: The plan.
        tasks: How many tasks share it: neighbours by id, often the halves of one hot shard, go to different ones.
    """

    plan: Plan
    tasks: int

    def __call__(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read the shards of each numbered task: a shard's records, then its end row."""
        for batch in rows:
            tasks: list[int] = batch.to_pydict()["id"]
            for task in tasks:
                yield from self._read(range(task, len(self.plan.reads), self.tasks))

    def _read(self, numbers: range) -> Iterator[pa.RecordBatch]:
        reads = {self.plan.reads[number].shard_id: number for number in numbers}
        try:
            client = stream_client(self.plan.stream)
        except SourceError as error:
            for number in numbers:
                yield self._end(number, _error_values(error))
            return
        with ShardReadings(client, [self.plan.reads[number] for number in numbers], _THREADS) as shards:
            deadline = client.clock.monotonic() + self.plan.limits.seconds
            shards.run({shard_id: self.plan.reads[number].limits for shard_id, number in reads.items()}, deadline)
            arrived = dict[str, list[int]]()
            for reading in shards.readings:
                times = [batch.column(_ARRIVED) for batch in reading.batches]
                arrived[reading.shard_id] = sample(pa.chunked_array(times, RECORD_SCHEMA.field(_ARRIVED).type))
                for batch in reading.batches:
                    yield self._marked(batch, reads[reading.shard_id])
            for shard_range in shards.ranges():
                shard_id = shard_range.shard_id
                # A raise would come to the driver as text after four attempts; a row brings it as what it is.
                failure = shards.errors.get(shard_id)
                values = _end_values(shard_range) if failure is None else _error_values(failure)
                yield self._end(reads[shard_id], {**values, "arrived": arrived.get(shard_id)})

    def _marked(self, batch: pa.RecordBatch, number: int) -> pa.RecordBatch:
        read = pa.repeat(pa.scalar(number, _SCHEMA.field(_READ).type), batch.num_rows)
        nothing = pa.nulls(batch.num_rows, _SCHEMA.field(_END).type)
        return pa.RecordBatch.from_arrays([*batch.columns, read, nothing], schema=_SCHEMA)

    def _end(self, number: int, values: dict[str, Any]) -> pa.RecordBatch:
        row = dict.fromkeys(RECORD_SCHEMA.names) | {
            "stream": self.plan.stream.name,
            "shard_id": self.plan.reads[number].shard_id,
            "sequence_number": values.get("last"),
            _READ: number,
            _END: dict.fromkeys(_END_SCHEMA.names) | values,
        }
        return pa.RecordBatch.from_pylist([row], schema=_SCHEMA)


def _error_values(error: SourceError) -> dict[str, Any]:
    return {"error": str(error), "is_data_loss": isinstance(error, DataLossError), "is_retryable": error.retryable}


def _end_values(shard_range: ShardRange) -> dict[str, Any]:
    values = shard_range.to_dict()
    shard_id, lost = values.pop("shard_id"), values.pop("lost")
    del shard_id
    if lost is not None:
        values |= {"is_lossy": True, "lost_after": lost["after"], "lost_first_available": lost["first_available"]}
    return values
