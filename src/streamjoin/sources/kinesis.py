"""Read Kinesis in batches whose limits are known before they are used: plan, read, ranges.

::

    position = kinesis.start(stream, settings, now_ms)        # only without a checkpoint
    plan     = kinesis.plan(stream, position, limits)
    fetched  = kinesis.fetch(plan)                            # small: driver threads
    frame    = kinesis.read(spark, plan).persist()            # large: a task a shard
    ranges   = kinesis.ranges(frame)
    records  = kinesis.bounded(frame, ranges)
    position = plan.position.advance(ranges)                  # once the batch is committed

Delivery: nothing here keeps a position; whoever commits one decides what is read again. A batch read again from one
position gives the same records in the same order in each shard, and maybe more after them.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: per shard 5 `GetRecords`
a second and 2 MiB/s, shared by all its consumers; 10,000 records or 10 MiB a call; iterators live 5 minutes.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from streamjoin.errors import ConfigError, SourceError
from streamjoin.schema import RECORD_ARROW_SCHEMA
from streamjoin.sources.kinesis_client import StreamClient, stream_client
from streamjoin.sources.kinesis_frame import bounded, ranges, read
from streamjoin.sources.kinesis_plan import (
    BatchLimits,
    Fetched,
    Plan,
    ShardRead,
    StartSettings,
    Stream,
)
from streamjoin.sources.kinesis_shard import ShardReading
from streamjoin.sources.position import (
    TRIM_HORIZON,
    LostRange,
    Position,
    PositionKind,
    ShardPosition,
    ShardRange,
)
from streamjoin.sources.shards import Shard, first_position, follow

__all__ = [
    "BatchLimits",
    "Fetched",
    "LostRange",
    "Plan",
    "Position",
    "ShardRange",
    "ShardRead",
    "Stream",
    "bounded",
    "fetch",
    "is_caught_up",
    "plan",
    "ranges",
    "read",
    "start",
    "stream_client",
]

_READ_THREADS = 16
# Up to here one process fetches about as fast as tasks do, which take a second to start.
_DRIVER_RECORDS = 20_000
_CAUGHT_UP_LATELY_MS = 60_000
# A shard that was caught up lately is planned a quarter of its share while others are behind.
_QUIET_PART = 4


def start(stream: Stream, settings: StartSettings, now_ms: int, client: StreamClient | None = None) -> Position:
    """Return the position of a first start, for every shard listed.

    LATEST becomes AT_TIMESTAMP `now_ms` for open shards, once: a job that is stopped before a shard gave anything
    misses nothing of it. Shards closed by then are drained. The other two take in closed shards that are still held.

    Args:
        stream: The stream.
        settings: `source.kinesis`.
        now_ms: The present, in milliseconds since the epoch.
        client: Default: this process's.

    Raises:
        SourceError: Stream missing, denied or unreachable.
        ConfigError: AT_TIMESTAMP without a timestamp.
    """
    skip_closed = False
    match settings.starting_position:
        case "LATEST":
            # Nothing before is wanted, so nothing before can be lost.
            first, skip_closed = ShardPosition(PositionKind.AT_TIMESTAMP, now_ms, caught_up_ms=now_ms), True
        case "AT_TIMESTAMP":
            if settings.timestamp is None:
                problem = "source.kinesis.timestamp: missing; starting_position AT_TIMESTAMP needs it"
                raise ConfigError([problem])
            first = ShardPosition(PositionKind.AT_TIMESTAMP, round(settings.timestamp.timestamp() * 1000))
        case _:
            first = TRIM_HORIZON
    shards = (client or stream_client(stream)).shards()
    return first_position(shards, stream.identity, first, skip_closed=skip_closed)


def plan(
    stream: Stream,
    position: Position,
    limits: BatchLimits,
    shards: Sequence[Shard] | None = None,
    client: StreamClient | None = None,
) -> Plan:
    """Decide what the next batch reads: parents before children, each shard its share of the limits.

    Args:
        stream: The stream.
        position: Of the last commit, or of `start`.
        limits: For the batch.
        shards: The listing. Default: the one kept by this process, renewed when a shard was drained, when the
            position knows one that it doesn't, and every minute.
        client: Default: this process's.

    Raises:
        DataLossError: A shard is gone with records unread, and `fail_on_data_loss` is true.
        SourceError: Stream missing, denied or unreachable, or the position is another stream's.
    """
    if not stream.is_of(position):
        message = (
            f"stream '{stream.identity}': the table's position is of stream '{position.stream}'. Set "
            "source.kinesis back to that one, or sink.hudi.base_path to another table."
        )
        raise SourceError(message)
    client = client or stream_client(stream)
    listing = client.shards(position) if shards is None else shards
    lineage = follow(listing, position, fail_on_data_loss=stream.fail_on_data_loss)
    places = lineage.position.shards
    lately_ms = client.clock.now_ms() - _CAUGHT_UP_LATELY_MS
    behind = [shard_id for shard_id in lineage.readable if (places[shard_id].caught_up_ms or 0) < lately_ms]
    shares = _shares(limits, lineage.readable, frozenset(behind))
    reads = [ShardRead(shard_id, places[shard_id], shares[shard_id]) for shard_id in lineage.readable]
    reads += [
        ShardRead(shard_id, place, limits, LostRange(place.sequence_number, None)) for shard_id, place in lineage.gone
    ]
    return Plan(
        stream,
        lineage.position,
        tuple(sorted(reads, key=lambda r: r.shard_id)),
        limits,
        through_executors=bool(behind) and limits.records > _DRIVER_RECORDS,
        waiting=lineage.waiting,
    )


def _shares(limits: BatchLimits, shard_ids: Sequence[str], behind: frozenset[str]) -> dict[str, BatchLimits]:
    """Divide the limits equally; while some shards are behind, the others leave them most of their shares.

    Tasks can't pass on what they don't use, so a hot shard's backlog must be allowed for beforehand.
    """
    equal = limits.share(len(shard_ids))
    if not behind:
        return dict.fromkeys(shard_ids, equal)
    quiet = equal.share(_QUIET_PART)
    count = len(shard_ids) - len(behind)
    left = BatchLimits(limits.records - count * quiet.records, limits.bytes - count * quiet.bytes, limits.seconds)
    busy = left.share(len(behind))
    return {shard_id: busy if shard_id in behind else quiet for shard_id in shard_ids}


def fetch(plan: Plan, client: StreamClient | None = None) -> Fetched:
    """Read the plan in threads of this process; what shards leave of their shares goes to those that have more.

    Delivery: changes nothing but iterators kept for the next batch, which are used only from the same position.

    Raises:
        DataLossError: A position is no longer held, and `fail_on_data_loss` is true.
        SourceError: Stream missing, denied or unreachable; nothing of the batch is returned.
    """
    if not plan.reads:
        return Fetched(pa.Table.from_batches([], RECORD_ARROW_SCHEMA), ())
    client = client or stream_client(plan.stream)
    deadline = client.clock.monotonic() + plan.limits.seconds
    readings = [ShardReading(client, shard_read) for shard_read in plan.reads]
    goals = [shard_read.limits for shard_read in plan.reads]
    hungry = list(range(len(readings)))

    def read_on(number: int) -> bool:
        """Say whether the shard gave something and has more."""
        before = readings[number].range().records
        readings[number].read_up_to(goals[number], deadline)
        return readings[number].is_limited and readings[number].range().records > before

    with ThreadPoolExecutor(min(_READ_THREADS, len(readings)), thread_name_prefix="kinesis") as pool:
        while hungry:
            # Consumed to the end, so that an error of any shard is raised, after the others have stopped.
            has_more = list(pool.map(read_on, hungry))
            hungry = [number for number, more in zip(hungry, has_more, strict=True) if more]
            left = _left(plan.limits, [reading.range() for reading in readings])
            # The last tenth isn't worth another round of requests.
            is_full = left.records * 10 <= plan.limits.records or left.bytes * 10 <= plan.limits.bytes
            if is_full or left.records < len(hungry) or client.clock.monotonic() >= deadline:
                break
            share = left.share(len(hungry))
            for number in hungry:
                had = readings[number].range()
                goals[number] = BatchLimits(had.records + share.records, had.bytes + share.bytes, share.seconds)
    batches = [batch for reading in readings for batch in reading.batches]
    return Fetched(pa.Table.from_batches(batches, RECORD_ARROW_SCHEMA), tuple(reading.range() for reading in readings))


def _left(limits: BatchLimits, done: Iterable[ShardRange]) -> BatchLimits:
    records, size = limits.records, limits.bytes
    for shard_range in done:
        records -= shard_range.records
        size -= shard_range.bytes
    return BatchLimits(records, size, limits.seconds)


def is_caught_up(plan: Plan, done: Iterable[ShardRange]) -> bool:
    """Say whether the batch reached the present in every shard; not when children of a drained one may follow."""
    return not plan.waiting and all(r.millis_behind_latest == 0 and not r.drained for r in done)
