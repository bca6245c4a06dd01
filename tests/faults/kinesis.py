"""A fake Kinesis that does what no emulator does: reshard, throttle, expire, trim, fail."""

import itertools
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.faults.kinesis_clock import HANGING, FakeClock

MAX_RECORDS_PER_CALL = 10_000
MAX_BYTES_PER_CALL = 10 * 1024 * 1024
ITERATOR_LIFE_SECONDS = 300


def client_error(code: str, operation: str, message: str = "made up by a test", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


def throttled() -> ClientError:
    return client_error("ProvisionedThroughputExceededException", "GetRecords", "Rate exceeded for shard")


def internal_error() -> ClientError:
    return client_error("InternalFailureException", "GetRecords", "internal", status=500)


def timed_out() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="http://localhost")


@dataclass
class FakeShard:
    shard_id: str
    parents: tuple[str, ...]
    starting: int
    ending: int | None = None
    closed_ms: int | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    trimmed_up_to: int = 0
    empty_pages: int = 0
    answers: threading.Event | None = None
    hanging: list[threading.Thread] = field(default_factory=list)

    def held(self) -> list[dict[str, Any]]:
        return [r for r in self.records if int(r["SequenceNumber"]) > self.trimmed_up_to]


class FakeKinesis:
    """boto3's Kinesis client over lists, with the service's rules for shards, iterators, pages and limits.

    Sequence numbers begin with few digits, so that their width changes while a test runs.
    """

    def __init__(
        self,
        clock: FakeClock,
        shards: int = 2,
        name: str = "orders",
        *,
        list_page: int = 3,
        call_seconds: float = 0.0,
        refuses_trimmed: bool = False,
    ) -> None:
        self.clock, self.name, self.list_page, self.call_seconds = clock, name, list_page, call_seconds
        self.refuses_trimmed = refuses_trimmed
        self.retention_hours = 24
        self.exists = True
        self.calls: list[tuple[str, dict[str, Any], float]] = []
        self.shards: dict[str, FakeShard] = {}
        self._numbers = itertools.count(1)
        self._tokens: dict[str, tuple[str, int, float]] = {}
        self.faults: dict[str, deque[Exception]] = defaultdict(deque)
        for _ in range(shards):
            self._add(())

    # what a test does to the stream

    def put(self, shard_id: str, data: bytes = b"{}", key: str = "k") -> str:
        shard = self.shards[shard_id]
        assert shard.ending is None, "put to a closed shard"
        number = str(next(self._numbers))
        arrived = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)
        shard.records.append(
            {"SequenceNumber": number, "ApproximateArrivalTimestamp": arrived, "Data": data, "PartitionKey": key}
        )
        return number

    def put_many(self, shard_id: str, count: int, data: bytes = b"{}") -> list[str]:
        return [self.put(shard_id, data) for _ in range(count)]

    def split(self, shard_id: str) -> tuple[str, str]:
        self._close(shard_id)
        return self._add((shard_id,)), self._add((shard_id,))

    def merge(self, shard_id: str, other_id: str) -> str:
        self._close(shard_id)
        self._close(other_id)
        return self._add((shard_id, other_id))

    def forget(self, shard_id: str) -> None:
        del self.shards[shard_id]

    def trim(self, shard_id: str, up_to: str) -> None:
        self.shards[shard_id].trimmed_up_to = int(up_to)

    def trim_older_than(self, seconds: int) -> None:
        """Do what the service does when time passes: old records go, then the closed shards that held them."""
        oldest_ms = self.clock.now_ms() - seconds * 1000
        for shard in list(self.shards.values()):
            old = [r["SequenceNumber"] for r in shard.held() if arrived_ms(r) < oldest_ms]
            shard.trimmed_up_to = max([shard.trimmed_up_to, *map(int, old)])
            if shard.closed_ms is not None and shard.closed_ms < oldest_ms and shard.answers is None:
                self.forget(shard.shard_id)

    def fail(self, operation: str, *errors: Exception) -> None:
        self.faults[operation].extend(errors)

    def hang(self, shard_id: str) -> None:
        """Let calls of GetRecords for the shard take for ever, from now to `answer`."""
        self.shards[shard_id].answers = threading.Event()

    def answer(self, shard_id: str, *errors: Exception) -> None:
        """End the calls that hang, with these errors if any; returns when their threads have ended."""
        shard = self.shards[shard_id]
        if shard.answers is not None:
            self.fail("GetRecords", *errors)
            shard.answers.set()
            for thread in shard.hanging:
                thread.join()
            shard.answers, shard.hanging = None, []

    def expire_iterators(self) -> None:
        self._tokens.clear()

    def next_number(self) -> int:
        return next(self._numbers)

    def times_called(self, operation: str) -> int:
        return sum(1 for called, _, _ in self.calls if called == operation)

    # what the reader calls

    def list_shards(self, **arguments: Any) -> dict[str, Any]:
        self.called("ListShards", arguments)
        token = arguments.get("NextToken")
        assert not token or set(arguments) == {"NextToken"}, "the service refuses NextToken with other arguments"
        assert token or arguments["ShardFilter"] == {"Type": "FROM_TRIM_HORIZON"}, "a filter that hides unread parents"
        begin = int(token or 0)
        page = sorted(self.shards)[begin : begin + self.list_page]
        answer: dict[str, Any] = {"Shards": [self._listed(self.shards[shard_id]) for shard_id in page]}
        if begin + self.list_page < len(self.shards):
            answer["NextToken"] = str(begin + self.list_page)
        return answer

    def describe_stream_summary(self, **arguments: Any) -> dict[str, Any]:
        self.called("DescribeStreamSummary", arguments)
        arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{self.name}"
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": self.retention_hours, "StreamARN": arn}}

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        self.called("GetShardIterator", arguments)
        shard, kind = self.shard(arguments["ShardId"], "GetShardIterator"), arguments["ShardIteratorType"]
        number, timestamp = arguments.get("StartingSequenceNumber"), arguments.get("Timestamp")
        begin = self.beginning(shard, kind, number, timestamp, "GetShardIterator")
        return {"ShardIterator": self._token(shard.shard_id, begin)}

    def beginning(
        self, shard: FakeShard, kind: str, number: str | None, timestamp: float | None, operation: str
    ) -> int:
        """Return the first sequence number that a read may give, or refuse as the service does."""
        if kind == "TRIM_HORIZON":
            return 0
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            assert number is not None
            is_held = any(r["SequenceNumber"] == number for r in shard.held())
            if self.refuses_trimmed and kind == "AT_SEQUENCE_NUMBER" and not is_held:
                raise client_error("InvalidArgumentException", operation, "StartingSequenceNumber is invalid")
            return int(number) + (kind == "AFTER_SEQUENCE_NUMBER")
        assert kind == "AT_TIMESTAMP", kind
        assert timestamp is not None
        at_ms = round(timestamp * 1000)
        if at_ms > self.clock.now_ms():
            raise client_error("InvalidArgumentException", operation, "timestampInMillis is in the future")
        later = (int(r["SequenceNumber"]) for r in shard.records if arrived_ms(r) >= at_ms)
        return next(later, self._end(shard))

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        self.clock.pass_seconds(self.call_seconds)
        token = arguments["ShardIterator"]
        assert token is not None, "the null iterator of a closed shard used again"
        assert 1 <= arguments["Limit"] <= MAX_RECORDS_PER_CALL
        shard_id, begin, made_at = self._tokens.get(token, ("", 0, -1e9))
        self.hang_if_told(shard_id)
        self.called("GetRecords", {**arguments, "ShardId": shard_id})
        if self.clock.monotonic() - made_at > ITERATOR_LIFE_SECONDS:
            raise client_error("ExpiredIteratorException", "GetRecords", "Iterator expired")
        shard = self.shard(shard_id, "GetRecords")
        rest = [r for r in shard.held() if int(r["SequenceNumber"]) >= begin]
        if shard.empty_pages and rest:
            shard.empty_pages -= 1
            return {"Records": [], "NextShardIterator": self._token(shard_id, begin), "MillisBehindLatest": 1}
        size, page = 0, []
        for record in rest[: arguments["Limit"]]:
            size += len(record["Data"])
            if page and size > MAX_BYTES_PER_CALL:
                break
            page.append(record)
        behind_ms = max(1, self.clock.now_ms() - arrived_ms(rest[len(page)])) if len(page) < len(rest) else 0
        answer: dict[str, Any] = {"Records": page, "MillisBehindLatest": behind_ms}
        if behind_ms or shard.ending is None:
            begin = int(page[-1]["SequenceNumber"]) + 1 if page else begin
            answer["NextShardIterator"] = self._token(shard_id, begin)
        return answer

    def hang_if_told(self, shard_id: str) -> None:
        shard = self.shards.get(shard_id)
        if shard is not None and shard.answers is not None:
            shard.hanging.append(threading.current_thread())
            HANGING.add(threading.current_thread())
            shard.answers.wait()
            HANGING.discard(threading.current_thread())

    def called(self, operation: str, arguments: dict[str, Any]) -> None:
        self.calls.append((operation, arguments, self.clock.monotonic()))
        if self.faults[operation]:
            raise self.faults[operation].popleft()
        if not self.exists:
            raise client_error("ResourceNotFoundException", operation, f"Stream {self.name} not found")

    def shard(self, shard_id: str, operation: str) -> FakeShard:
        if shard_id not in self.shards:
            raise client_error("ResourceNotFoundException", operation, f"Shard {shard_id} not found")
        return self.shards[shard_id]

    def _token(self, shard_id: str, begin: int) -> str:
        token = f"iterator-{len(self.calls)}-{shard_id}"
        self._tokens[token] = (shard_id, begin, self.clock.monotonic())
        return token

    def _add(self, parents: tuple[str, ...]) -> str:
        number = next(self._numbers)
        shard_id = f"shardId-{number:012d}"
        self.shards[shard_id] = FakeShard(shard_id, parents, number)
        return shard_id

    def _close(self, shard_id: str) -> None:
        assert self.shards[shard_id].ending is None
        self.shards[shard_id].ending = next(self._numbers)
        self.shards[shard_id].closed_ms = self.clock.now_ms()

    def _end(self, shard: FakeShard) -> int:
        return int(shard.records[-1]["SequenceNumber"]) + 1 if shard.records else 0

    def _listed(self, shard: FakeShard) -> dict[str, Any]:
        numbers = {"StartingSequenceNumber": str(shard.starting)}
        if shard.ending is not None:
            numbers["EndingSequenceNumber"] = str(shard.ending)
        listed: dict[str, Any] = {"ShardId": shard.shard_id, "SequenceNumberRange": numbers}
        return listed | dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))


def arrived_ms(record: dict[str, Any]) -> int:
    return round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
