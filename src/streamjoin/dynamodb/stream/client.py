"""The DynamoDB Streams calls that following a table needs, paced and with their errors in streamjoin's words.

Source of the limits: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: records are kept for 24
hours, no more than two processes read one shard; .../APIReference/API_streams_GetRecords.html: 1,000 records or 1 MB a
call; .../API_streams_GetShardIterator.html: iterators live 15 minutes; .../API_streams_DescribeStream.html: 100 shards
a page, 10 calls a second.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol, cast, get_args

from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.service import Item
from streamjoin.errors import SourceError
from streamjoin.shards.lineage import Shard
from streamjoin.shards.position import PositionKind, ShardPosition

Operation = Literal["INSERT", "MODIFY", "REMOVE"]

MAX_RECORDS_PER_CALL = 1_000
SECONDS_BETWEEN_LISTINGS = 0.1
# Five minutes short of the 24 hours, since what a place is dated by may be a little older than it says: the service
# rounds the time of a change, and a listing may lag behind.
RETENTION_MS = (24 * 60 - 5) * 60_000


REFERENCE_REMEDIES: Final = Remedies(
    missing="Scan the table again.",
    denied=(
        "Allow dynamodb:DescribeStream, dynamodb:GetShardIterator and dynamodb:GetRecords on the stream to the job's "
        "role, or set dynamodb.role_arn of the reference to a role that has them, or set refresh.follow: scan."
    ),
    throttled=(
        "No more than two processes may read a shard: see what else reads this stream (other jobs, Lambda triggers), "
        "or set refresh.follow: scan of the reference."
    ),
    unreachable="Check the network, the credentials, dynamodb.region of the reference and AWS_ENDPOINT_URL.",
)


class StreamsClient(Protocol):
    """The three calls of boto3's `dynamodbstreams` client, and its `meta.region_name`."""

    @property
    def meta(self) -> Any:
        """The client's metadata."""

    def describe_stream(self, **request: Any) -> Mapping[str, Any]:
        """Call DescribeStream."""

    def get_shard_iterator(self, **request: Any) -> Mapping[str, Any]:
        """Call GetShardIterator."""

    def get_records(self, **request: Any) -> Mapping[str, Any]:
        """Call GetRecords."""


class StreamLostError(Exception):
    """The stream can't tell all changes since the position: trimmed, switched off or gone. Scan the table again.

    It is no StreamJoinError, since it stops no job; its text says what happened. Not raised for a call that fails:
    that is a SourceError.
    """


class _IteratorExpiredError(Exception):
    """The shard iterator is too old."""


@dataclass(frozen=True)
class ChangeRecord:
    """One change of one item. Images are None if the operation or the stream's view type has none.

    Args:
        operation: What happened to the item.
        keys: Its primary key.
        new_image: The item afterwards.
        old_image: The item before.
        shard_id: Where the record was read.
        sequence_number: Orders the records of one shard; compare by `position.sequence_order`.
        created_at_ms: About when it happened; whole seconds in the service, whole minutes in DynamoDB Local.
        user_identity: Who did it, as the service says; only if that was the service itself, as when an item expired.
    """

    operation: Operation
    keys: Item
    new_image: Item | None
    old_image: Item | None
    shard_id: str
    sequence_number: str
    created_at_ms: int | None
    user_identity: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Page:
    """One answer of GetRecords; `next_iterator` is None at the end of a closed shard."""

    records: tuple[ChangeRecord, ...]
    next_iterator: str | None


@dataclass(frozen=True)
class Listing:
    """All shards of a stream.

    Args:
        shards: In the service's order.
        status: ENABLING, ENABLED, DISABLING or DISABLED.
        at_ms: When the listing was begun: what it doesn't name is younger.
    """

    shards: tuple[Shard, ...]
    status: str
    at_ms: int


class StreamService:
    """One table's stream, as calls.

    Args:
        client: boto3's `dynamodbstreams` client; it is shared by threads.
        stream_arn: The stream.
        table_name: For messages.
        clock: Gives seconds since the epoch.
        sleep: Waits a number of seconds.
        remedies: What to do about a call that fails.
    """

    def __init__(
        self,
        client: StreamsClient,
        stream_arn: str,
        table_name: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        remedies: Remedies = REFERENCE_REMEDIES,
    ) -> None:
        self.stream_arn = stream_arn
        self._remedies = remedies
        self.name = f"stream '{stream_arn}' of table '{table_name}'"
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._may_list_at = 0.0

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return round(self._clock() * 1000)

    def list(self) -> Listing:
        """Return all shards, page by page, no sooner than the service may be asked again.

        Raises:
            StreamLostError: There is no such stream.
            SourceError: It could not be listed.
        """
        at_ms = self.now_ms()
        shards: list[Shard] = []
        start: dict[str, str] = {}
        while True:
            self._pace()
            with self._errors("DescribeStream"):
                stream = self._client.describe_stream(StreamArn=self.stream_arn, **start)["StreamDescription"]
            shards.extend(map(_shard, stream.get("Shards", ())))
            if not stream.get("LastEvaluatedShardId"):
                return Listing(tuple(shards), stream.get("StreamStatus", "ENABLED"), at_ms)
            start = {"ExclusiveStartShardId": stream["LastEvaluatedShardId"]}

    def _pace(self) -> None:
        # At most the full wait, also when the machine's time was set back.
        wait_seconds = min(self._may_list_at - self._clock(), SECONDS_BETWEEN_LISTINGS)
        if wait_seconds > 0:
            self._sleep(wait_seconds)
        self._may_list_at = self._clock() + SECONDS_BETWEEN_LISTINGS

    def first_page(self, shard_id: str) -> Page:
        """Return what a shard gives from now on: its newest end is noted when this call is made, not later.

        Raises:
            StreamLostError: The shard is gone.
            SourceError: It could not be read.
        """
        return self._read_fresh(shard_id, {"ShardIteratorType": "LATEST"}, MAX_RECORDS_PER_CALL)

    def page(self, shard_id: str, place: ShardPosition, iterator: str | None, limit: int) -> Page:
        """Return a shard's next page, from `place` if there is no iterator or an expired one.

        Raises:
            StreamLostError: Records after the place were trimmed, or the shard is gone.
            SourceError: It could not be read.
        """
        if iterator is not None:
            with suppress(_IteratorExpiredError):
                return self._records(shard_id, iterator, limit)
        # Asked for the trim horizon, the service doesn't say that records before it were trimmed unread.
        if place.caught_up_ms is not None and self.now_ms() - place.caught_up_ms > RETENTION_MS:
            message = (
                f"{self.name} shard '{shard_id}': position {place} was noted longer ago than the 24 hours for which "
                "the stream keeps records, so that the ones after it may have been trimmed"
            )
            raise StreamLostError(message)
        kind: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if place.kind is PositionKind.AFTER:
            kind = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": place.sequence_number}
        return self._read_fresh(shard_id, kind, limit)

    def _read_fresh(self, shard_id: str, kind: Mapping[str, Any], limit: int) -> Page:
        with self._errors("GetShardIterator", shard_id):
            answer = self._client.get_shard_iterator(StreamArn=self.stream_arn, ShardId=shard_id, **kind)
        try:
            return self._records(shard_id, answer["ShardIterator"], limit)
        except _IteratorExpiredError as error:
            message = (
                f"{self.name} shard '{shard_id}': GetRecords calls an iterator expired that was opened just now, "
                "expected 15 minutes of life. Check this machine's network and the service's health."
            )
            raise SourceError(message, retryable=True) from error

    def _records(self, shard_id: str, iterator: str, limit: int) -> Page:
        with self._errors("GetRecords", shard_id):
            answer = self._client.get_records(ShardIterator=iterator, Limit=min(limit, MAX_RECORDS_PER_CALL))
        records = tuple(self._record(shard_id, record) for record in answer.get("Records", ()))
        return Page(records, answer.get("NextShardIterator"))

    def _record(self, shard_id: str, record: Mapping[str, Any]) -> ChangeRecord:
        operation, change = record["eventName"], record["dynamodb"]
        if operation not in get_args(Operation):
            message = (
                f"{self.name} shard '{shard_id}' record {change['SequenceNumber']}: expected the operation "
                f"{', '.join(get_args(Operation))}, found '{operation}', which this version of streamjoin doesn't know."
            )
            raise SourceError(message)
        created_at: datetime | None = change.get("ApproximateCreationDateTime")
        return ChangeRecord(
            operation=cast(Operation, operation),
            keys=change["Keys"],
            new_image=change.get("NewImage"),
            old_image=change.get("OldImage"),
            shard_id=shard_id,
            sequence_number=change["SequenceNumber"],
            created_at_ms=None if created_at is None else round(created_at.timestamp() * 1000),
            user_identity=record.get("userIdentity"),
        )

    def _errors(self, operation: str, shard_id: str | None = None) -> AbstractContextManager[None]:
        where = self.name if shard_id is None else f"{self.name} shard '{shard_id}'"
        failed = f"{where} in region '{self._client.meta.region_name}': {operation}"
        trimmed = f"{where}: records after the position were trimmed unread; the stream keeps 24 hours"
        gone = f"{where}: {operation} found it gone; the table or its stream was deleted, or trimmed"
        meanings: dict[str, Callable[[str], Exception]] = {
            "ExpiredIteratorException": _IteratorExpiredError,
            "TrimmedDataAccessException": lambda said: StreamLostError(trimmed),
            "ResourceNotFoundException": lambda said: StreamLostError(gone),
        }
        return translated(SourceError, failed, self._remedies, meanings)


def _shard(listed: Mapping[str, Any]) -> Shard:
    parent_id = listed.get("ParentShardId")
    numbers = listed.get("SequenceNumberRange") or {}
    return Shard(
        listed["ShardId"],
        (parent_id,) if parent_id else (),
        numbers.get("StartingSequenceNumber", ""),
        numbers.get("EndingSequenceNumber"),
    )
