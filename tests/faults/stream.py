"""A fake DynamoDB Streams client over changes in memory that does what no emulator does: split, throttle, expire, trim.

It is also where tests put the changes, and may share its items with `tests/faults/reference.py`'s FakeDynamoDb:
`stream = FakeTableStream(items=db.items, keys=("code",))`, or `stream.record(...)` called by the items' owner.
"""

import itertools
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.faults.kinesis import client_error

Item = dict[str, dict[str, Any]]

MAX_RECORDS_PER_CALL = 1_000
MAX_SHARDS_PER_PAGE = 100
ITERATOR_LIFE_SECONDS = 15 * 60


def stream_throttled() -> Exception:
    return client_error("ThrottlingException", "GetRecords", "Rate exceeded")


@dataclass
class FakeStreamShard:
    shard_id: str
    parent_id: str | None
    starting: int
    ending: int | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    trimmed_up_to: int = 0

    def numbers(self) -> list[int]:
        return [int(record["dynamodb"]["SequenceNumber"]) for record in self.records]


@dataclass
class _Iterator:
    """`begin` is None while it isn't known where LATEST is: that is decided when the iterator is used."""

    shard_id: str
    begin: int | None
    made_at: float


class FakeTableStream:
    """boto3's `dynamodbstreams` client for one table's stream, with the service's rules for shards and iterators.

    Sequence numbers begin with few digits, so that their width changes while a test runs. `fault` is asked before each
    call and may return an error to raise; its request names the shard with GetRecords too. `empty_pages[shard]` so
    many pages are empty before the next records; `hidden[shard]` so many listings leave the shard out. Large items make
    pages of few records: `records_per_page`.
    """

    def __init__(
        self,
        keys: Sequence[str] = ("code",),
        *,
        items: list[Item] | None = None,
        shards: int = 1,
        view_type: str = "NEW_AND_OLD_IMAGES",
        table_name: str = "countries",
        shards_per_page: int = MAX_SHARDS_PER_PAGE,
        records_per_page: int = MAX_RECORDS_PER_CALL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys, self.view_type, self.clock = tuple(keys), view_type, clock
        self.shards_per_page, self.records_per_page = shards_per_page, records_per_page
        self.items: list[Item] = [] if items is None else items
        self.arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table_name}/stream/2026-01-31T12:00:00.000"
        self.status = "ENABLED"
        self.exists = True
        self.shards: dict[str, FakeStreamShard] = {}
        self._every: dict[str, FakeStreamShard] = {}
        self.empty_pages: Counter[str] = Counter()
        self.hidden: Counter[str] = Counter()
        self.fault: Callable[[str, dict[str, Any]], Exception | None] = lambda operation, request: None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.meta = SimpleNamespace(region_name="us-east-1")
        self._iterators: dict[str, _Iterator] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._roots = [self._open(None) for _ in range(shards)]

    # what a test does to the table

    def put(self, item: Item) -> None:
        with self._lock:
            at = self._find(item)
            old = None if at is None else self.items[at]
            if at is None:
                self.items.append(item)
            else:
                self.items[at] = item
            if old != item:
                self.record("MODIFY" if old else "INSERT", self.key_of(item), item, old)

    def delete(self, keys: Item) -> None:
        with self._lock:
            at = self._find(keys)
            if at is not None:
                self.record("REMOVE", self.key_of(keys), None, self.items.pop(at))

    def record(self, operation: str, keys: Item, new: Item | None, old: Item | None) -> str:
        """Put a change into the stream, without touching `items`; returns its sequence number."""
        with self._lock:
            assert self.status == "ENABLED", "a stream that is switched off gets no records"
            shard = self.shards[self.shard_of(keys)]
            number = str(next(self._numbers))
            change = {
                "ApproximateCreationDateTime": datetime.fromtimestamp(int(self.clock()), UTC),
                "Keys": keys,
                "SequenceNumber": number,
                "StreamViewType": self.view_type,
            }
            if new is not None and self.view_type in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
                change["NewImage"] = new
            if old is not None and self.view_type in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
                change["OldImage"] = old
            shard.records.append({"eventName": operation, "dynamodb": change})
            return number

    # what a test does to the stream

    def shard_of(self, item: Item) -> str:
        """Return the open shard that takes an item's changes: always one that follows the last one which did."""
        code = zlib.crc32(repr(sorted(self.key_of(item).items())).encode())
        shard_id = self._roots[code % len(self._roots)]
        while children := self._every[shard_id].children:
            code = zlib.crc32(f"{code} {shard_id}".encode())
            shard_id = children[code % len(children)]
        return shard_id

    def open_shards(self) -> list[str]:
        return [shard_id for shard_id, shard in self.shards.items() if shard.ending is None]

    def rotate(self, shard_id: str) -> str:
        """Close a shard after its four hours; returns the one that follows."""
        with self._lock:
            self._close(shard_id)
            return self._open(shard_id)

    def split(self, shard_id: str) -> tuple[str, str]:
        with self._lock:
            self._close(shard_id)
            return self._open(shard_id), self._open(shard_id)

    def trim(self, shard_id: str, up_to: str | None = None) -> None:
        """Let records age out, by default all; a closed shard without any is no longer listed."""
        with self._lock:
            shard = self.shards[shard_id]
            shard.trimmed_up_to = int(up_to) if up_to else max(shard.numbers(), default=0)
            shard.records = [r for r in shard.records if int(r["dynamodb"]["SequenceNumber"]) > shard.trimmed_up_to]
            if shard.ending is not None and not shard.records:
                del self.shards[shard_id]

    def expire_iterators(self) -> None:
        with self._lock:
            self._iterators.clear()

    def disable(self, *, closes_shards: bool = True) -> None:
        """Switch the stream off, as deleting the table does: what it holds can still be read."""
        with self._lock:
            self.status = "DISABLED"
            for shard_id in self.open_shards() if closes_shards else ():
                self._close(shard_id)

    # what a test asks

    def times_called(self, operation: str, **request: Any) -> int:
        return sum(called == operation and request.items() <= given.items() for called, given in list(self.calls))

    def key_of(self, item: Item) -> Item:
        return {name: item[name] for name in self.keys}

    # what the reader calls

    def describe_stream(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._called("DescribeStream", request)
            listed = [s for s in self.shards if not self.hidden[s]]
            if request.get("ExclusiveStartShardId"):
                listed = listed[listed.index(request["ExclusiveStartShardId"]) + 1 :]
            page = listed[: self.shards_per_page]
            stream: dict[str, Any] = {
                "StreamArn": self.arn,
                "StreamStatus": self.status,
                "StreamViewType": self.view_type,
                "Shards": [_listed(self.shards[shard_id]) for shard_id in page],
            }
            if len(page) < len(listed):
                stream["LastEvaluatedShardId"] = page[-1]
            else:
                self.hidden -= Counter(list(self.hidden))
            return {"StreamDescription": stream}

    def get_shard_iterator(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._called("GetShardIterator", request)
            shard = self._shard(request["ShardId"], "GetShardIterator")
            kind = request["ShardIteratorType"]
            begin: int | None = shard.trimmed_up_to + 1
            if kind == "LATEST":
                begin = None
            elif kind == "AFTER_SEQUENCE_NUMBER":
                begin = int(request["SequenceNumber"]) + 1
                if begin <= shard.trimmed_up_to + 1 and shard.trimmed_up_to:
                    raise client_error("TrimmedDataAccessException", "GetShardIterator", "older than the trim point")
            else:
                assert kind == "TRIM_HORIZON", kind
            return {"ShardIterator": self._token(shard.shard_id, begin)}

    def get_records(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            token = request["ShardIterator"]
            assert token is not None, "the null iterator of a closed shard used again"
            assert 1 <= request["Limit"] <= MAX_RECORDS_PER_CALL
            iterator = self._iterators.get(token)
            self._called("GetRecords", {**request, "ShardId": iterator.shard_id if iterator else None})
            if iterator is None or self.clock() - iterator.made_at > ITERATOR_LIFE_SECONDS:
                raise client_error("ExpiredIteratorException", "GetRecords", "Iterator expired")
            shard = self._shard(iterator.shard_id, "GetRecords")
            if iterator.begin is None:
                iterator.begin = max([*shard.numbers(), shard.trimmed_up_to], default=0) + 1
            if iterator.begin <= shard.trimmed_up_to:
                raise client_error("TrimmedDataAccessException", "GetRecords", "trimmed")
            return self._page(shard, iterator.begin, request["Limit"])

    def _page(self, shard: FakeStreamShard, begin: int, limit: int) -> dict[str, Any]:
        rest = [r for n, r in zip(shard.numbers(), shard.records, strict=True) if n >= begin]
        if self.empty_pages[shard.shard_id]:
            self.empty_pages[shard.shard_id] -= 1
            return {"Records": [], "NextShardIterator": self._token(shard.shard_id, begin)}
        page = rest[: min(limit, self.records_per_page)]
        answer: dict[str, Any] = {"Records": page}
        if len(page) < len(rest) or shard.ending is None:
            begin = int(page[-1]["dynamodb"]["SequenceNumber"]) + 1 if page else begin
            answer["NextShardIterator"] = self._token(shard.shard_id, begin)
        return answer

    def _called(self, operation: str, request: dict[str, Any]) -> None:
        self.calls.append((operation, request))
        error = self.fault(operation, request)
        if error is not None:
            raise error
        if not self.exists or request.get("StreamArn", self.arn) != self.arn:
            raise client_error("ResourceNotFoundException", operation, "Requested resource not found: Stream")

    def _shard(self, shard_id: str, operation: str) -> FakeStreamShard:
        if shard_id not in self.shards:
            raise client_error("ResourceNotFoundException", operation, "Shard does not exist")
        return self.shards[shard_id]

    def _token(self, shard_id: str, begin: int | None) -> str:
        token = f"{self.arn}|{len(self._iterators)}|{len(self.calls)}"
        self._iterators[token] = _Iterator(shard_id, begin, self.clock())
        return token

    def _find(self, item: Item) -> int | None:
        keys = self.key_of(item)
        return next((at for at, each in enumerate(self.items) if self.key_of(each) == keys), None)

    def _open(self, parent_id: str | None) -> str:
        number = next(self._numbers)
        shard_id = f"shardId-{number:020d}-{zlib.crc32(str(number).encode()):08x}"
        self.shards[shard_id] = self._every[shard_id] = FakeStreamShard(shard_id, parent_id, number)
        if parent_id is not None:
            self._every[parent_id].children.append(shard_id)
        return shard_id

    def _close(self, shard_id: str) -> None:
        assert self.shards[shard_id].ending is None, "closed already"
        self.shards[shard_id].ending = next(self._numbers)


def _listed(shard: FakeStreamShard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": str(shard.starting)}
    if shard.ending is not None:
        numbers["EndingSequenceNumber"] = str(shard.ending)
    listed: dict[str, Any] = {"ShardId": shard.shard_id, "SequenceNumberRange": numbers}
    return listed | ({"ParentShardId": shard.parent_id} if shard.parent_id else {})
