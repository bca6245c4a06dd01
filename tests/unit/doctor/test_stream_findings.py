"""The stream that a job reads, as services tell of it that answer, refuse or are away."""

import pytest

from streamjoin.doctor import stream
from streamjoin.doctor.checks import CHECKS, findings_of
from streamjoin.doctor.finding import Status
from streamjoin.history.entry import Entry
from streamjoin.shards.position import Position, PositionKind, ShardPosition, ShardRange
from tests.unit.doctor.looking import ARN, AWAY, DENIED, MISSING, NOW, THROTTLED, clients, context, enrichment, shown

HOUR_MS = 3_600_000


def summary(status="ACTIVE", hours=24, shards=4):
    return {
        "StreamDescriptionSummary": {
            "StreamStatus": status,
            "OpenShardCount": shards,
            "RetentionPeriodHours": hours,
            "StreamARN": ARN,
        }
    }


GOOD = {
    "describe_stream_summary": summary(),
    "list_shards": {"Shards": [{"ShardId": "shardId-000000000000"}]},
    "get_shard_iterator": {"ShardIterator": "i"},
    "get_records": {"Records": []},
    "list_stream_consumers": {"Consumers": []},
}
METRICS = {"get_metric_statistics": {"Datapoints": []}}


def look(check, answers=GOOD, metrics=METRICS, **changes):
    client, made = clients(kinesis=answers, cloudwatch=metrics)
    return list(check(context(enrichment(**changes), client))), made


def test_a_stream_that_is_there_and_can_be_read_is_good():
    found, _ = look(stream.stream)
    assert [each.status for each in found] == [Status.GOOD, Status.GOOD]
    assert found[0].found == "ACTIVE, 4 open shards"


def test_a_stream_that_is_not_active_is_bad():
    found, _ = look(stream.stream, {**GOOD, "describe_stream_summary": summary("DELETING")})
    assert found[0].status is Status.BAD
    assert "expected ACTIVE" in found[0].found


def test_a_shard_is_read_once_and_a_consumer_of_its_own_is_neither_registered_nor_subscribed():
    found, made = look(stream.stream, source__kinesis={"stream_name": "orders", "fan_out": "ours"})
    more, again = look(stream.reading, source__kinesis={"stream_name": "orders", "fan_out": "ours"})
    assert {name for name, _ in (*made["kinesis"].calls, *again["kinesis"].calls)} == {
        "describe_stream_summary",
        "list_shards",
        "list_stream_consumers",
    }
    assert all(each.status is Status.GOOD for each in (*found, *more))
    assert any("the job registers 'ours'" in each.found for each in more)


def test_no_consumer_can_be_registered_where_there_are_twenty():
    consumers = {"Consumers": [{"ConsumerName": f"c{number}"} for number in range(20)]}
    answers = {**GOOD, "list_stream_consumers": consumers}
    found, _ = look(stream.reading, answers, source__kinesis={"stream_name": "orders", "fan_out": "ours"})
    assert Status.BAD in {each.status for each in found}
    found, _ = look(stream.reading, answers, source__kinesis={"stream_name": "orders", "fan_out": "c3"})
    assert {each.status for each in found} == {Status.GOOD}


def test_what_others_take_of_the_read_limit_is_told_of_the_last_hour():
    def statistics(refused):
        read = 0.5 * 4 * 2 * 1024**2 * 3600
        return lambda **request: {
            "Datapoints": [{"Sum": read if request["MetricName"] == "GetRecords.Bytes" else refused}]
        }

    for refused, status in ((0, Status.GOOD), (7, Status.BAD)):
        found, _ = look(stream.reading, metrics={"get_metric_statistics": statistics(refused)})
        assert found[0].found.startswith("4 open shards: 8 MiB and 20 GetRecords a second for all who poll")
        assert found[-1].status is status
        assert "50.0% of the limit" in found[-1].found


def test_a_caught_up_job_leaves_others_what_its_interval_leaves():
    found, _ = look(stream.reading, trigger={"interval_seconds": 1})
    assert "makes 20% of the calls and leaves 80%" in found[0].found


@pytest.mark.parametrize("call", ["list_stream_consumers", "get_metric_statistics"])
def test_what_the_job_does_not_need_and_is_denied_can_not_be_told(call):
    found, _ = look(
        stream.reading,
        {**GOOD, call: DENIED} if call in GOOD else GOOD,
        {call: DENIED} if call in METRICS else METRICS,
    )
    (unknown,) = [each for each in found if each.status is not Status.GOOD]
    assert unknown.status is Status.UNKNOWN
    assert "the job doesn't need it" in unknown.remedy


def entry(*shards, ranges=()):
    return Entry("1", "b", Position("orders", dict(shards)), tuple(ranges), {}, {}, {}, True)


def read_to(age_ms, lag_ms=0):
    at = round(NOW * 1000) - age_ms
    return ShardRange("s", "1", "2", 1, 1, False, lag_ms, at)


@pytest.mark.parametrize(
    ("newest", "status", "told"),
    [
        (None, Status.GOOD, "records are kept 24 h; the job has no position yet"),
        (entry(("s", ShardPosition(PositionKind.AFTER)), ranges=[read_to(HOUR_MS)]), Status.GOOD, "last 23 h"),
        (
            entry(("s", ShardPosition(PositionKind.AFTER)), ranges=[read_to(0, 20 * HOUR_MS)]),
            Status.BAD,
            "4 h are left",
        ),
        (entry(("s", ShardPosition(PositionKind.AFTER)), ranges=[read_to(25 * HOUR_MS)]), Status.BAD, "may be gone"),
        (entry(("s", ShardPosition(PositionKind.AFTER, sequence_number="1"))), Status.UNKNOWN, "isn't known"),
        (
            entry(
                ("s", ShardPosition(PositionKind.AFTER, caught_up_ms=round(NOW * 1000) - 2 * HOUR_MS)),
                ("t", ShardPosition(PositionKind.AFTER, caught_up_ms=round(NOW * 1000))),
                ("u", ShardPosition(PositionKind.DRAINED, caught_up_ms=1)),
            ),
            Status.GOOD,
            "read up to 2 h ago",
        ),
    ],
)
def test_retention_is_compared_with_the_shard_that_is_furthest_behind(monkeypatch, newest, status, told):
    monkeypatch.setattr(stream.checkpoint, "read", lambda base_path: newest)
    (found,), _ = look(stream.retention)
    assert (found.status, told in found.found) == (status, True), shown([found])
    assert bool(found.remedy) == (status is not Status.GOOD)


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (DENIED, "bad", "Allow kinesis:ListShards"),
        (MISSING, "bad", "Check source.kinesis"),
        (THROTTLED, "unknown", "See"),
    ],
)
def test_what_the_service_refuses_is_a_line_with_what_to_do(error, status, remedy):
    client, _ = clients(kinesis={**GOOD, "describe_stream_summary": error})
    (check,) = [check for check in CHECKS if check.name == "stream"]
    lines = list(findings_of(check, context(enrichment(), client)))
    assert [(each.status, each.what) for each in lines] == [(status, "stream 'orders'")]
    assert lines[0].remedy.startswith(remedy)


def test_a_service_that_is_away_is_told_once():
    client, _ = clients(kinesis={**GOOD, "describe_stream_summary": AWAY})
    for check in (stream.retention, stream.reading):
        (found,) = check(context(enrichment(), client))
        assert (found.status, found.remedy) == (Status.UNKNOWN, "See the check of the stream.")
