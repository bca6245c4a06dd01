"""Shards read by asking: `GetShardIterator` and `GetRecords`.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: per shard 2 MiB/s, shared by
all its consumers; 10,000 records or 10 MiB a call; iterators live 5 minutes.
"""

from typing import Any

from streamjoin.kinesis.calls import Page, StreamCalls
from streamjoin.shards.position import PositionKind, ShardPosition

MAX_RECORDS_PER_CALL = 10_000


class Polling:
    """`Pages` that are asked for, at the pace that the service allows.

    Args:
        calls: The stream.
        client: boto3's Kinesis client; failed calls are made again by `ShardReading` at the shard's own pace, so best
            one that doesn't do so itself.
    """

    def __init__(self, calls: StreamCalls, client: Any) -> None:
        self._calls, self._client = calls, client

    def open(self, shard_id: str, position: ShardPosition, *, is_near_trim_horizon: bool = False) -> str:
        """Return an iterator; paced."""
        del is_near_trim_horizon
        kind: dict[str, Any] = {"ShardIteratorType": position.kind.value}
        if position.kind is PositionKind.AFTER:
            kind = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": position.sequence_number}
        elif position.kind is PositionKind.AT_TIMESTAMP:
            kind["Timestamp"] = (position.timestamp_ms or 0) / 1000
        self._calls.pace.await_turn("GetShardIterator", shard_id)
        with self._calls.errors("GetShardIterator", shard_id, not_held(position)):
            answer = self._client.get_shard_iterator(**self._calls.address, ShardId=shard_id, **kind)
        return str(answer["ShardIterator"])

    def records(self, shard_id: str, iterator: str, limit: int) -> Page:
        """Return the next page, no sooner than the shard may be asked again."""
        arguments: dict[str, Any] = {"ShardIterator": iterator, "Limit": min(limit, MAX_RECORDS_PER_CALL)}
        if self._calls.stream.arn:
            arguments["StreamARN"] = self._calls.stream.arn
        asked_at_ms = self._calls.clock.now_ms()
        self._calls.pace.await_turn("GetRecords", shard_id)
        with self._calls.errors("GetRecords", shard_id):
            answer = self._client.get_records(**arguments)
        # A service that doesn't report the lag can't be read to its end by it: an empty page has to do.
        behind = answer.get("MillisBehindLatest", 1 if answer["Records"] else 0)
        return Page(answer["Records"], answer.get("NextShardIterator"), int(behind), asked_at_ms)

    def within(self, shard_id: str, iterator: str, count: int) -> None:
        """Return None: an iterator leads to the end of its page only."""

    def await_news(self, shard_ids: list[str]) -> None:
        """Do nothing: what a shard has is only known by asking."""


def not_held(position: ShardPosition) -> str | None:
    """Return the code by which the service refuses a position; a shard's beginning is always held."""
    return None if position.kind is PositionKind.TRIM_HORIZON else "InvalidArgumentException"
