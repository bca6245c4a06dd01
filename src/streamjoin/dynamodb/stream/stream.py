"""Follow a DynamoDB table's changes by its stream, from the driver: note the stream's tip, scan, then poll.

Delivery: a poll gives what it gives once; a process that starts again at an earlier `position` is given the records
after it again. None is left out. Records are in order within a shard, and a parent's come before its children's, so
that an item's newest record comes last: applied by item, they end at the table's own content, however often and from
wherever they are read again. What the stream can't tell any more is a StreamLostError, never a gap.
"""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from streamjoin.aws.errors import Remedies
from streamjoin.dynamodb.stream.client import (
    REFERENCE_REMEDIES,
    ChangeRecord,
    Listing,
    StreamLostError,
    StreamsClient,
    StreamService,
)
from streamjoin.dynamodb.stream.progress import Progress
from streamjoin.dynamodb.stream.reading import THREADS, Bounds, Polled, Reading, list_after
from streamjoin.errors import SourceError
from streamjoin.shards.lineage import first_position
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position, PositionKind

__all__ = ["ChangeRecord", "Polled", "StreamLostError", "StreamsClient", "TableStream"]

# A stream has no AT_TIMESTAMP.
_KINDS = (PositionKind.TRIM_HORIZON, PositionKind.AFTER, PositionKind.DRAINED)


class TableStream:
    """The stream of one table, as this process reads it; not for several threads.

    Begin with `start_at_tip`, `start_at_trim_horizon` or `start_at`, also after a StreamLostError.

    Args:
        client: boto3's `dynamodbstreams` client, for the table's region and role.
        stream_arn: The table's latest stream.
        table_name: For messages.
        clock: Gives seconds since the epoch.
        sleep: Waits a number of seconds.
        remedies: What to do about a call that fails.
    """

    def __init__(
        self,
        client: StreamsClient,
        stream_arn: str,
        *,
        table_name: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        remedies: Remedies = REFERENCE_REMEDIES,
    ) -> None:
        self.stream_arn = stream_arn
        self._clock = clock
        self._service = StreamService(client, stream_arn, table_name, clock, sleep, remedies)
        self._progress: Progress | None = None
        self._lost: StreamLostError | None = None

    @property
    def position(self) -> Position:
        """Where a later process may start: right after what polls have returned, or earlier.

        A shard that gave no record yet stands at its trim horizon, since the stream has no name for its tip. After a
        StreamLostError it stays what it was: a process that starts there is told of the loss too.
        """
        return self._started().position

    def start_at_tip(self) -> None:
        """Note where every shard ends now: polls give the changes from then on, and perhaps some from just before.

        Raises:
            StreamLostError: The stream is switched off or gone.
            SourceError: It could not be read. Nothing was started.
        """
        listing = self._service.list()
        if listing.status == "DISABLED":
            raise self._switched_off()
        self._check_shards(listing)
        # The shards' ends are noted by reading: where an iterator begins may only be decided when it is used.
        shard_ids = [shard.shard_id for shard in listing.shards if not shard.is_closed]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stream") as pool:
            first_pages = dict(zip(shard_ids, pool.map(self._service.first_page, shard_ids), strict=True))
        self._progress, self._lost = Progress.at_tip(self.stream_arn, listing, first_pages), None

    def start_at_trim_horizon(self, drained: Collection[str] = ()) -> None:
        """Begin with the oldest changes that the stream still has.

        Args:
            drained: Shards that were read to their end, and are not read again.

        Raises:
            StreamLostError: The stream is gone.
            SourceError: It could not be listed. Nothing was started.
        """
        listing = self._service.list()
        self._check_shards(listing)
        begun = first_position(listing.shards, self.stream_arn, TRIM_HORIZON, skip_closed=False)
        places = {**begun.shards, **dict.fromkeys(drained, DRAINED)}
        self._progress, self._lost = Progress.after(Position(self.stream_arn, places), listing), None

    def start_at(self, position: Position) -> None:
        """Go on from a position that an earlier process reached.

        Raises:
            StreamLostError: The stream no longer has what follows it, or the position is of another one.
            SourceError: The stream could not be listed. Nothing was started.
        """
        if position.stream != self.stream_arn:
            message = f"{self._service.name}: the position is of another stream, '{position.stream}'"
            raise StreamLostError(message)
        foreign = [str(place) for place in position.shards.values() if place.kind not in _KINDS]
        if foreign or not position.shards:
            found = foreign[0] if foreign else "no shard"
            message = f"{self._service.name}: expected a position of {', '.join(_KINDS)}, found {found}"
            raise StreamLostError(message)
        progress = Progress.after(position, list_after(self._service, position))
        if progress.listing.status == "DISABLED" and progress.is_drained:
            raise self._switched_off()
        self._progress, self._lost = progress, None

    def poll(self, *, patience: int = 1, seconds: float = 20.0, max_records: int = 100_000) -> Polled:
        """Read every shard until it gives empty pages.

        Args:
            patience: So many empty pages in a row make a shard's tip. One doesn't prove it: the service may give empty
                pages before records.
            seconds: No request is begun after this time; the next poll goes on.
            max_records: Likewise; the pages that `start_at_tip` read come whole.

        Raises:
            StreamLostError: The stream can't tell all changes since the position. Later polls raise it too.
        """
        if self._lost is not None:
            raise StreamLostError(str(self._lost)) from self._lost
        # A poll works on a copy, so that one that is interrupted has not gone past records that it didn't return.
        progress = self._started().copy()
        bounds = Bounds(patience, self._clock() + seconds, max_records)
        reading = Reading(self._service, progress, self._clock, bounds)
        try:
            reading.run()
            polled = reading.result()
            if progress.listing.status == "DISABLED" and reading.is_everything_read and not polled.records:
                raise self._switched_off()
        except StreamLostError as lost:
            self._lost = lost
            raise
        self._progress = progress
        return polled

    def _check_shards(self, listing: Listing) -> None:
        if not listing.shards:
            message = (
                f"{self._service.name}: expected one shard at least, found none (status {listing.status}). A stream "
                "has its shards a moment after it was enabled: try again."
            )
            raise SourceError(message, retryable=True)

    def _started(self) -> Progress:
        if self._progress is None:
            message = f"{self._service.name} was not started: call start_at_tip or start_at first"
            raise RuntimeError(message)
        return self._progress

    def _switched_off(self) -> StreamLostError:
        return StreamLostError(f"{self._service.name} was switched off (status DISABLED); all that it has was read")
