"""What a batch takes of a shard, where records hold several events, or none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from streamjoin.dynamodb.change_wrappers import ChangeSplitter
from streamjoin.history.counts import BatchCounts
from streamjoin.kinesis.plan import BatchLimits, Split
from streamjoin.kinesis.taken import Taken
from streamjoin.records.decoder import PayloadFormat
from streamjoin.schema.ddl import parse_schema
from streamjoin.shards.position import ShardRange
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.metrics import BatchReport

CHANGE = json.dumps({"dynamodb": {}, "eventName": "INSERT"}).encode()
EVENTS = PayloadFormat(records="many").splitter(parse_schema("id string"))
LOGS = PayloadFormat(records="many", path="logEvents[*].message").splitter(parse_schema("id string"))


def record(number: int, data: bytes) -> dict[str, Any]:
    arrived = datetime(2026, 1, 1, tzinfo=UTC)
    return {"SequenceNumber": str(number), "PartitionKey": "k", "Data": data, "ApproximateArrivalTimestamp": arrived}


@pytest.mark.parametrize(
    ("split", "payloads", "rows", "empty"),
    [
        (ChangeSplitter(), [b'{"Records": []}', b"[]", b"[]\n[]", b"[" + CHANGE + b"," + CHANGE + b"]", CHANGE], 3, 3),
        # What has no content at all is a dead letter of its own.
        (ChangeSplitter(), [b"", b" \n"], 2, 0),
        (EVENTS, [b"[]", b'{"id":"1"}{"id":"2"}', b"[]"], 2, 2),
        (LOGS, [b'{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}', b'{"logEvents":[]}'], 0, 2),
        (None, [b"[]", b"{}"], 2, 0),
    ],
)
def test_a_record_that_holds_no_event_is_counted_beside_those_that_do(
    split: Split | None, payloads: list[bytes], rows: int, empty: int
) -> None:
    taken = Taken("s", "shard", (0, 0, 0), split)
    taken.take([record(at, data) for at, data in enumerate(payloads)], BatchLimits(100, 10_000, 1))
    assert (taken.outer_records, taken.rows, taken.empty) == (len(payloads), rows, empty)


def test_records_without_an_event_are_in_the_counts_and_in_the_line_if_there_are_any() -> None:
    ranges = [ShardRange("s", "1", "3", 1, 9, False, 0, 0, empty=empty) for empty in (2, 0)]
    assert [ShardRange.from_dict(each.to_dict()) for each in ranges] == ranges
    # As versions before wrote it, and can read it.
    assert "empty" not in ranges[1].to_dict()
    assert Batch("b", None, ranges=tuple(ranges)).empty == 2  # type: ignore[arg-type]
    lines = [
        BatchReport(job="j", batch_id="b", counts=counts, millis_behind_latest=0, seconds=1, fetch_seconds=1).line()
        for counts in (BatchCounts(read=1, kept=1, empty=2), BatchCounts(read=1, kept=1))
    ]
    assert [" empty=2" in line for line in lines] == [True, False]
    assert [counts.to_dict().get("empty") for counts in (BatchCounts(empty=2), BatchCounts())] == [2, None]


def test_of_a_shard_that_is_not_known_little_is_asked_for_and_then_what_its_records_hold() -> None:
    limits = BatchLimits(50_000, 1 << 28)
    assert Taken("s", "shard", (0, 0, 0)).wanted(limits) == 1_000
    assert Taken("s", "shard", (0, 0, 0)).wanted(BatchLimits(7, 1 << 28)) == 7
    assert Taken("s", "shard", (1_000, 100_000, 10_000_000)).wanted(limits) == 500
    assert Taken("s", "shard", (1_000, 1_000, 1_000)).wanted(limits) == 50_000
