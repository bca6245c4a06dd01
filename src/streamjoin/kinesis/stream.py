"""Read Kinesis in batches whose limits are known before they are used: plan, read, ranges.

::

    position = kinesis.start(stream, settings, now_ms)        # only without a checkpoint
    plan     = kinesis.plan(stream, position, limits)
    fetched  = kinesis.fetch(plan)                            # small: driver threads
    frame    = kinesis.read(spark, plan).persist()            # large: tasks, each with its part of the shards
    ranges   = kinesis.ends(frame).ranges                     # and when the records had arrived
    records  = kinesis.bounded(frame, ranges)
    position = plan.position.advance(ranges)                  # once the batch is committed

Delivery: nothing here keeps a position; the one that is committed decides what is read again. A batch read again from
one position gives the same records in the same order in each shard, and maybe more after them. A shard that gives no
answer in time has an empty range in the batch, so that its position stays.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: per shard 5 `GetRecords`
a second and 2 MiB/s, shared by all its consumers; 10,000 records or 10 MiB a call; iterators live 5 minutes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from streamjoin.errors import ConfigError
from streamjoin.kinesis.client import StreamClient, stream_client
from streamjoin.kinesis.frame import bounded, ends, ranges, read
from streamjoin.kinesis.plan import BatchLimits, Fetched, Plan, ShardRead, StartSettings, Stream
from streamjoin.kinesis.readings import ShardReadings, worst
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.shards.lineage import Lineage, Shard, first_position, follow
from streamjoin.shards.position import TRIM_HORIZON, LostRange, Position, PositionKind, ShardPosition, ShardRange

__all__ = [
    "BatchLimits",
    "Fetched",
    "Plan",
    "ShardRead",
    "Stream",
    "bounded",
    "ends",
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
    stream.check(position)
    client = client or stream_client(stream)
    lineage = _lineage(stream, position, client) if shards is None else _followed(stream, position, client, shards)
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
        # A shard has one subscription of a consumer: it can't move from task to task.
        through_executors=bool(behind) and limits.records > _DRIVER_RECORDS and not stream.fan_out,
        waiting=lineage.waiting + client.awaited(lineage.childless),
    )


def _lineage(stream: Stream, position: Position, client: StreamClient) -> Lineage:
    listing = client.shards(position)
    if follow(listing, position, client.clock.now_ms(), fail_on_data_loss=False).gone:
        # A listing may lag behind the one before: only a second one is believed.
        listing = client.shards()
    return _followed(stream, position, client, listing)


def _followed(stream: Stream, position: Position, client: StreamClient, listing: Iterable[Shard]) -> Lineage:
    lineage = follow(listing, position, client.clock.now_ms(), fail_on_data_loss=stream.fail_on_data_loss)
    # Once its children have it, a drained shard's time would only make every commit larger.
    places = {
        shard_id: replace(place, caught_up_ms=None)
        if place.kind is PositionKind.DRAINED and shard_id not in lineage.childless
        else place
        for shard_id, place in lineage.position.shards.items()
    }
    return replace(lineage, position=Position(position.stream, places))


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

    Delivery: changes nothing but iterators kept for the next batch, which are used only from the same position, and
    what shards left behind give too late, which likewise is.

    Raises:
        DataLossError: A position is no longer held, and `fail_on_data_loss` is true.
        SourceError: Stream missing, denied or unreachable; nothing of the batch is returned.
    """
    if not plan.reads:
        return Fetched(pa.Table.from_batches([], RECORD_SCHEMA), ())
    client = client or stream_client(plan.stream)
    client.pages.await_news([shard_read.shard_id for shard_read in plan.reads])
    deadline = client.clock.monotonic() + plan.limits.seconds
    goals = {shard_read.shard_id: shard_read.limits for shard_read in plan.reads}
    with ShardReadings(client, plan.reads, _READ_THREADS) as shards:
        while goals:
            hungry = shards.run(goals, deadline)
            if shards.errors:
                raise worst(shards.errors.values())
            had = {reading.shard_id: reading.range() for reading in shards.readings}
            left = _left(plan.limits, had.values())
            # The last tenth isn't worth another round of requests.
            is_full = left.records * 10 <= plan.limits.records or left.bytes * 10 <= plan.limits.bytes
            if is_full or left.records < len(hungry) or client.clock.monotonic() >= deadline:
                break
            share = left.share(len(hungry))
            goals = {
                s: BatchLimits(had[s].records + share.records, had[s].bytes + share.bytes, share.seconds)
                for s in hungry
            }
        batches = [batch for reading in shards.readings for batch in reading.batches]
        done = shards.ranges()
    return Fetched(pa.Table.from_batches(batches, RECORD_SCHEMA), done)


def _left(limits: BatchLimits, done: Iterable[ShardRange]) -> BatchLimits:
    records, size = limits.records, limits.bytes
    for shard_range in done:
        records -= shard_range.records
        size -= shard_range.bytes
    return BatchLimits(records, size, limits.seconds)


def is_caught_up(plan: Plan, done: Iterable[ShardRange]) -> bool:
    """Say whether the batch reached the present in every shard; not when children of a drained one may follow."""
    # A stream always has an open shard: if none can be read, the listing is behind.
    return bool(plan.reads) and not plan.waiting and all(r.millis_behind_latest == 0 and not r.drained for r in done)
