"""The stream that a job reads: whether it is there, how long it keeps records, and what others take of it.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: a shard gives 2 MiB and 5
GetRecords a second to all who poll it; 20 registered consumers a stream. A DynamoDB stream keeps 24 hours, and no more
than two may read one of its shards.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streamjoin.aws.errors import SDK_ERRORS, translated
from streamjoin.capture.config.capture import CaptureConfig, TableStreamSettings, journal_path
from streamjoin.config.stages import KinesisSettings
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, bad, good, unknown
from streamjoin.dynamodb.stream.client import RETENTION_MS
from streamjoin.dynamodb.stream.of_table import open_table_stream
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.errors import SourceError
from streamjoin.history import checkpoint
from streamjoin.history.entry import Entry
from streamjoin.history.journal import Journal
from streamjoin.kinesis.calls import REMEDIES
from streamjoin.kinesis.plan import Stream
from streamjoin.rendering import counted
from streamjoin.shards.position import PositionKind

_MS_PER_HOUR: Final = 3_600_000
_CALLS_PER_SECOND: Final = 5
_MIB_PER_SECOND: Final = 2
_CONSUMERS: Final = 20
_STREAM_READERS: Final = 2
_UNSEEN: Final = "the stream can't be described"
_SEE_STREAM: Final = "See the check of the stream."
_READABLE: Final = frozenset({"ACTIVE", "UPDATING"})


def stream(context: Context) -> Iterator[Finding]:
    """Look whether the stream is there and can be read."""
    kinesis, own = _source(context)
    if kinesis is not None:
        yield from _kinesis(context, kinesis)
    elif own is not None:
        what = f"stream of table '{own.table_name}'"
        tables, streams = (context.client(each, own.region, own.role_arn) for each in ("dynamodb", "dynamodbstreams"))
        found = open_table_stream(tables, streams, own.table_name)
        found.start_at_trim_horizon()
        yield good(what, f"enabled, {counted(len(found.position.shards), 'shard')} to read from its beginning")


def retention(context: Context) -> Iterator[Finding]:
    """Compare how long the stream keeps records with how far behind the job's position is."""
    kinesis, _ = _source(context)
    if kinesis is not None:
        if (summary := _known(context, kinesis)) is None:
            yield unknown("retention", _UNSEEN, _SEE_STREAM)
            return
        kept_ms = int(summary["RetentionPeriodHours"]) * _MS_PER_HOUR
        raising = (
            f"Raise it: aws kinesis increase-stream-retention-period --stream-name {_of(kinesis).name} "
            "--retention-period-hours 168"
        )
    else:
        kept_ms, raising = RETENTION_MS, "It can't be raised: a Kinesis stream of the table keeps up to a year."
    kept, entry = f"records are kept {_hours(kept_ms)}", _newest(context)
    if entry is None:
        yield good("retention", f"{kept}; the job has no position yet: a later stop may last so long")
        return
    reached_ms = _reached_ms(entry)
    if reached_ms is None:
        yield unknown("retention", f"{kept}; how old the position is isn't known", "Run the job for a batch.")
        return
    age_ms = max(0, round(context.now() * 1000) - reached_ms)
    left_ms = kept_ms - age_ms
    found = f"{kept}; the job has read up to {_hours(age_ms)} ago"
    if left_ms <= 0:
        going_on = "with fail_on_data_loss: false the job goes on and records the gap"
        yield bad("retention", f"{found}: what came next may be gone", f"Start it; {going_on}. {raising}")
    elif left_ms < kept_ms / 4:
        yield bad("retention", f"{found}: {_hours(left_ms)} are left", f"Start the job now. {raising}")
    else:
        yield good("retention", f"{found}: from now on a stop may last {_hours(left_ms)}")


def reading(context: Context) -> Iterator[Finding]:
    """Tell what share of the stream's read limit is left to others, and whether they take more than there is."""
    kinesis, own = _source(context)
    if own is not None:
        yield from _readers_of_table(context, own)
        return
    assert kinesis is not None  # noqa: S101  (a stream is of either kind)
    if (summary := _known(context, kinesis)) is None:
        yield unknown("read limit", _UNSEEN, _SEE_STREAM)
        return
    shards, name = int(summary["OpenShardCount"]), _of(kinesis).name
    rates = f"{shards * _MIB_PER_SECOND} MiB and {shards * _CALLS_PER_SECOND} GetRecords a second"
    if kinesis.fan_out is None:
        share = min(1.0, 1 / max(_interval(context), 0.2) / _CALLS_PER_SECOND)
        ours = (
            f"caught up, this job makes {share:.0%} of the calls and leaves {1 - share:.0%}; behind, it takes the rest"
        )
        yield good("read limit", f"{counted(shards, 'open shard')}: {rates} for all who poll; {ours}")
    yield from _consumers(context, kinesis, str(summary["StreamARN"]))
    yield from _throttled(context, kinesis, name, shards)


def _kinesis(context: Context, settings: KinesisSettings) -> Iterator[Finding]:
    where = _of(settings)
    what, client = f"stream '{where.name}'", context.client("kinesis", where.region, where.role_arn)
    summary = _summary(context, settings)
    status = str(summary["StreamStatus"])
    if status in _READABLE:
        yield good(what, f"{status}, {counted(int(summary['OpenShardCount']), 'open shard')}")
    else:
        yield bad(what, f"{status}; expected ACTIVE", "Wait until it is ACTIVE; deleted, create it again.")
    with _errors(where, "ListShards"):
        listed = client.list_shards(**_address(where))["Shards"]
    if not listed:
        yield bad(what, "no shards", "Wait until the stream is ACTIVE.")
        return
    if settings.fan_out is not None:
        return
    with _errors(where, "GetRecords"):
        iterator = client.get_shard_iterator(
            **_address(where), ShardId=listed[-1]["ShardId"], ShardIteratorType="LATEST"
        )["ShardIterator"]
        client.get_records(ShardIterator=iterator, Limit=1)
    yield good(what, f"shard '{listed[-1]['ShardId']}' can be read")


def _consumers(context: Context, settings: KinesisSettings, arn: str) -> Iterator[Finding]:
    where = _of(settings)
    client = context.client("kinesis", where.region, where.role_arn)
    try:
        found = client.list_stream_consumers(StreamARN=arn)["Consumers"]
    except SDK_ERRORS as error:
        allow = "Allow kinesis:ListStreamConsumers to who runs the doctor; the job doesn't need it."
        yield Finding.of_error("consumers", error, remedy=allow, needed=False)
        return
    names = [str(each["ConsumerName"]) for each in found]
    listed = f"{counted(len(names), 'registered consumer')}, each with 2 MiB a second and shard of its own"
    if settings.fan_out is None or settings.fan_out in names:
        yield good("consumers", listed)
    elif len(names) >= _CONSUMERS:
        yield bad(
            "consumers",
            f"{listed}; '{settings.fan_out}' is none of them, and 20 is the most",
            "Deregister one that isn't used: aws kinesis deregister-stream-consumer, or leave source.kinesis.fan_out "
            "out.",
        )
    else:
        yield good(
            "consumers", f"{listed}; the job registers '{settings.fan_out}', which costs money while it is there"
        )


def _throttled(context: Context, settings: KinesisSettings, name: str, shards: int) -> Iterator[Finding]:
    what, where = "others who poll", _of(settings)
    end = datetime.fromtimestamp(context.now(), UTC)
    try:
        client = context.client("cloudwatch", where.region, where.role_arn)
        sums = {
            metric: sum(
                float(point["Sum"])
                for point in client.get_metric_statistics(
                    Namespace="AWS/Kinesis",
                    MetricName=metric,
                    Dimensions=[{"Name": "StreamName", "Value": name}],
                    StartTime=end - timedelta(hours=1),
                    EndTime=end,
                    Period=3600,
                    Statistics=["Sum"],
                )["Datapoints"]
            )
            for metric in ("GetRecords.Bytes", "ReadProvisionedThroughputExceeded")
        }
    except SDK_ERRORS as error:
        allow = "Allow cloudwatch:GetMetricStatistics to who runs the doctor; the job doesn't need it."
        yield Finding.of_error(what, error, remedy=allow, needed=False)
        return
    taken = sums["GetRecords.Bytes"] / 3600 / max(1, shards * _MIB_PER_SECOND * 1024 * 1024)
    found = f"in the last hour all who poll read {taken:.1%} of the limit"
    if sums["ReadProvisionedThroughputExceeded"] and settings.fan_out is None:
        yield bad(
            what,
            f"{found}, and some of their calls were refused",
            "Give the job throughput of its own by source.kinesis.fan_out, or the stream more shards.",
        )
    else:
        yield good(what, f"{found}; no call of theirs was refused" if settings.fan_out is None else found)


def _readers_of_table(context: Context, own: TableStreamSettings) -> Iterator[Finding]:
    what = f"readers of the stream of table '{own.table_name}'"
    table = context.client("dynamodb", own.region, own.role_arn).describe_table(TableName=own.table_name)["Table"]
    try:
        mappings = context.client("lambda", own.region, own.role_arn).list_event_source_mappings(
            EventSourceArn=table.get("LatestStreamArn", "")
        )["EventSourceMappings"]
    except SDK_ERRORS as error:
        allow = "Allow lambda:ListEventSourceMappings to who runs the doctor; the job doesn't need it."
        yield Finding.of_error(what, error, remedy=allow, needed=False)
        return
    found = f"{counted(len(mappings), 'Lambda trigger')} beside this job; two readers a shard are the most"
    if len(mappings) >= _STREAM_READERS:
        yield bad(what, found, "Take a trigger away, or capture the table by a Kinesis stream: source.kinesis.")
    else:
        yield good(what, found)


def _source(context: Context) -> tuple[KinesisSettings | None, TableStreamSettings | None]:
    config = context.config
    if isinstance(config, EnrichConfig):
        return config.source.kinesis, None
    assert isinstance(config, CaptureConfig)  # noqa: S101  (the others read no stream)
    return config.source.kinesis, config.source.dynamodb_stream


def _interval(context: Context) -> float:
    config = context.config
    return config.trigger.interval_seconds if isinstance(config, EnrichConfig | CaptureConfig) else 0.0


def _newest(context: Context) -> Entry | None:
    config = context.config
    if isinstance(config, EnrichConfig):
        return checkpoint.read(config.sink.hudi.base_path)
    assert isinstance(config, CaptureConfig)  # noqa: S101  (as above)
    return Journal(journal_path(config)).newest()


def _reached_ms(entry: Entry) -> int | None:
    """Return the time up to which every shard is read, as far as the newest entry tells."""
    ranges = {each.shard_id: each for each in entry.ranges}
    times = []
    for shard_id, position in entry.position.shards.items():
        read = ranges.get(shard_id)
        if position.kind is PositionKind.DRAINED:
            continue
        if read is not None and read.millis_behind_latest is not None:
            times.append(read.read_at_ms - read.millis_behind_latest)
        elif (known := position.caught_up_ms or position.timestamp_ms) is not None:
            times.append(known)
    return min(times, default=None)


def _summary(context: Context, settings: KinesisSettings) -> dict[str, Any]:
    where = _of(settings)
    client = context.client("kinesis", where.region, where.role_arn)
    with _errors(where, "DescribeStreamSummary"):
        return dict(client.describe_stream_summary(**_address(where))["StreamDescriptionSummary"])


def _known(context: Context, settings: KinesisSettings) -> dict[str, Any] | None:
    """Return what is told of the stream; None if that failed, as the check of the stream says."""
    try:
        return _summary(context, settings)
    except SourceError:
        return None


def _of(settings: KinesisSettings) -> Stream:
    return Stream.from_config(settings)


def _address(stream: Stream) -> dict[str, str]:
    return {"StreamARN": stream.arn} if stream.arn else {"StreamName": stream.name}


def _errors(stream: Stream, operation: str) -> Any:
    return translated(SourceError, f"stream '{stream.name}': {operation}", REMEDIES)


def _hours(ms: float) -> str:
    if ms < _MS_PER_HOUR:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / _MS_PER_HOUR:.1f} h".replace(".0 h", " h")
