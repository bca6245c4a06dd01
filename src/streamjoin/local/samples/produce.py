"""Sending sample data to a Kinesis stream."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamjoin.aws.backoff import Tries
from streamjoin.aws.errors import Remedies, translated
from streamjoin.errors import SourceError

# Source: PutRecords, Amazon Kinesis Data Streams API reference; both counts include the partition keys.
RECORDS_PER_CALL = 500
BYTES_PER_CALL = 5 * 1024 * 1024
BYTES_PER_RECORD = 1024 * 1024
# Calls in a row of which the stream takes nothing.
FRUITLESS_CALLS = 10
CALLS_PER_SECOND_WHEN_PACED = 4


@dataclass(frozen=True)
class Produced:
    """What a run of `produce` did."""

    records: int
    bytes: int
    resent_records: int
    seconds: float

    def __str__(self) -> str:
        rate = self.records / self.seconds if self.seconds else 0.0
        resent = f", {self.resent_records:,} of them more than once" if self.resent_records else ""
        return f"{self.records:,} records ({self.bytes:,} bytes) in {self.seconds:.1f} s, {rate:,.0f} records/s{resent}"


@dataclass(frozen=True)
class _Entry:
    key: str
    data: bytes

    @property
    def bytes(self) -> int:
        return len(self.data) + len(self.key.encode())

    def as_request(self) -> Mapping[str, object]:
        return {"PartitionKey": self.key, "Data": self.data}


def produce(  # noqa: PLR0913  (all but three have a default that fits nearly everyone)
    client: Any,
    stream_name: str,
    events: Iterable[Mapping[str, Any]],
    *,
    record_key: str,
    records_per_second: float | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Produced:
    """Send `events` as JSON, each under its record key as partition key.

    Args:
        client: boto3's `kinesis` client.
        stream_name: An existing stream.
        events: What to send, in this order.
        record_key: The field whose value is the partition key.
        records_per_second: Default: as fast as the stream takes them.
        on_progress: Called with the number of records sent so far.
        clock: Seconds that only go forward.
        sleep: Waits a number of seconds.

    Delivery: events of one key arrive in their order. Kinesis takes any part of a call, so a call never holds a key
    twice, and what it refused is sent again before anything new. A call that timed out may have arrived: it is sent
    again by the SDK, and its records are in the stream twice.

    Raises:
        SourceError: The stream is missing or takes nothing any more; what was sent until then stays sent.
    """
    started = clock()
    sent = sent_bytes = resent = 0
    for batch in _batches(_entries(events, record_key), _call_size(records_per_second)):
        resent += _send(client, stream_name, batch, sleep)
        sent += len(batch)
        sent_bytes += sum(entry.bytes for entry in batch)
        on_progress(sent)
        if records_per_second is not None:
            early_seconds = started + sent / records_per_second - clock()
            if early_seconds > 0:
                sleep(early_seconds)
    return Produced(sent, sent_bytes, resent, clock() - started)


def _call_size(records_per_second: float | None) -> int:
    if records_per_second is None:
        return RECORDS_PER_CALL
    # A slow pace in calls of 500 would be long silences between bursts.
    return max(1, min(RECORDS_PER_CALL, int(records_per_second / CALLS_PER_SECOND_WHEN_PACED)))


def _entries(events: Iterable[Mapping[str, Any]], record_key: str) -> Iterator[_Entry]:
    for event in events:
        entry = _Entry(str(event[record_key]), json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())
        if entry.bytes > BYTES_PER_RECORD:
            message = f"record '{entry.key}' has {entry.bytes:,} bytes; Kinesis takes {BYTES_PER_RECORD:,} with its key"
            raise SourceError(message)
        yield entry


def _batches(entries: Iterable[_Entry], most_records: int) -> Iterator[list[_Entry]]:
    batch: list[_Entry] = []
    keys: set[str] = set()
    size_bytes = 0
    for entry in entries:
        if len(batch) == most_records or size_bytes + entry.bytes > BYTES_PER_CALL or entry.key in keys:
            yield batch
            batch, keys, size_bytes = [], set(), 0
        batch.append(entry)
        keys.add(entry.key)
        size_bytes += entry.bytes
    if batch:
        yield batch


def _send(client: Any, stream_name: str, batch: Sequence[_Entry], sleep: Callable[[float], None]) -> int:
    """Send a call's worth until the stream has taken all of it; return how many records were sent again."""
    left = batch
    resent = 0
    tries = Tries(FRUITLESS_CALLS, sleep)
    while True:
        results = _put(client, stream_name, left)
        refused = [(entry, result) for entry, result in zip(left, results, strict=True) if "ErrorCode" in result]
        if not refused:
            return resent
        resent += len(refused)
        last = refused[0][1]
        message = (
            f"stream '{stream_name}' took none of {len(left)} records in {FRUITLESS_CALLS} calls "
            f"({last['ErrorCode']}: {last.get('ErrorMessage', 'no message')}); give it more shards or lower --rate"
        )
        tries.wait(SourceError(message, retryable=True), progressed=len(refused) < len(left))
        left = [entry for entry, _ in refused]


def _put(client: Any, stream_name: str, entries: Sequence[_Entry]) -> Sequence[Mapping[str, Any]]:
    where = f"in region '{client.meta.region_name}' at '{client.meta.endpoint_url}'"
    missing = "create it, or name another one with --stream-name or --region"
    gone = f"stream '{stream_name}' isn't there {where}; {missing}"
    remedies = Remedies(
        missing=missing,
        denied="Allow kinesis:PutRecords on the stream.",
        throttled="Give it more shards or lower --rate.",
        unreachable="Check the network, the credentials, --region and AWS_ENDPOINT_URL.",
    )
    with translated(
        SourceError,
        f"stream '{stream_name}' {where}: PutRecords",
        remedies,
        {"ResourceNotFoundException": lambda said: SourceError(gone)},
    ):
        answer = client.put_records(StreamName=stream_name, Records=[entry.as_request() for entry in entries])
    results: Sequence[Mapping[str, Any]] = answer["Records"]
    return results
