"""One DynamoDB table, read once and then kept current: by its stream if it has one, else by scanning it again.

All references to one table share its feed, so that it is scanned once and its stream has one reader: a stream's shard
takes two at most (docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from streamjoin.config.stages import DynamoDbSettings, RefreshSettings
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.stream.stream import ChangeRecord, Polled, StreamLostError, TableStream
from streamjoin.dynamodb.table import TableClient, TableDescription
from streamjoin.errors import ReferenceTableError, SourceError
from streamjoin.reference.followed.changes import (
    HELD_SECONDS,
    Drained,
    ResumeFrom,
    as_reference_error,
    drain,
    latest,
    not_at_tip,
    projected,
    start,
)
from streamjoin.reference.followed.index import ItemChange, Rank
from streamjoin.reference.followed.view import View
from streamjoin.reference.table import default_segments, describe, scan, unusable
from streamjoin.shards.position import Position

log = logging.getLogger(__name__)

# A failed refresh is tried again after this, or after the refresh interval if that is shorter.
RETRY_SECONDS = 10.0
_SCANS_AT_ONCE = 3
# Changes that come faster than they are read must not hold up the batch for ever: the next one goes on.
_FOLLOW_SECONDS = 20.0


class TableFeed:
    """A table's items, as of the last refresh.

    Invariant: `_items` is the table as it was at `as_of` or later. What a stream has given since is in `_held`,
    for it is not given again; a refresh that fails leaves the items as they are.

    Args:
        table: Where the table is.
        refresh: How it is kept current.
        client: boto3's DynamoDB client, for the region and role of `table`.
        streams: Returns boto3's DynamoDB Streams client; asked only for a table with a stream.
        clock: Seconds since 1970.

    Attributes:
        as_of: What was in the table by then is in `items`.
        failures: Refreshes that failed since the last one that succeeded.
        failure: The last one's reason; None when it succeeded.
        position: Everything before it in the table's stream is in `items`; None if there is none to follow.
    """

    def __init__(
        self,
        table: DynamoDbSettings,
        refresh: RefreshSettings,
        *,
        client: TableClient,
        streams: Callable[[], Any],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.as_of = 0.0
        self.failures = 0
        self.failure: ReferenceTableError | None = None
        # Not the stream's own, which is past what is held.
        self.position: Position | None = None
        self._table, self._refresh = table, refresh
        self._client, self._streams, self._clock = client, streams, clock
        self._pace = ReadUnits(table.max_read_units_per_second)
        self._views: list[View] = []
        self._served: list[View] = []
        self._items: dict[Rank, bytes] = {}
        self._held: dict[Rank, bytes | None] = {}
        self._description: TableDescription | None = None
        self._stream: TableStream | None = None
        self._resume: ResumeFrom | None = None
        self._tried_at = 0.0
        self._consumed = 0.0
        self._warned = ""

    @property
    def items(self) -> int:
        """How many items the table has."""
        return len(self._items)

    def add(self, view: View) -> None:
        """Keep `view` true from the next refresh on, which reads the table again for it."""
        self._views.append(view)
        self.forget()

    def resume_from(self, place: ResumeFrom) -> None:
        """Start the first read at `place`, or at an older one asked for already, if the stream still has it."""
        if self._resume is None or place.as_of < self._resume.as_of:
            self._resume = place

    def forget(self) -> None:
        """Let go of the items; the next refresh reads the table."""
        self._description, self._stream = None, None
        self._items = {}
        self._served.clear()

    def give_back(self, read_units: float) -> None:
        """Take read units back that no commit names: they count with the next that are asked for."""
        self._consumed += read_units

    def consumed(self) -> float:
        """Return the read units consumed since this was asked last."""
        consumed, self._consumed = self._consumed, 0.0
        return consumed

    def refresh(self, asking: View) -> None:
        """Bring items and views up to date: once a round, which ends when a view asks for the second time.

        Raises:
            ReferenceTableError: The table was never read, and can't be. Later failures are in `failure`.
        """
        if asking not in self._served and self._served:
            self._served.append(asking)
            return
        self._served = [asking]
        if not self._is_due():
            return
        try:
            if self._description is None or self._stream is None:
                self._read()
            else:
                self._follow(self._stream)
            self.failures, self.failure = 0, None
        except ReferenceTableError as error:
            self.failures, self.failure = self.failures + 1, error
            if self._description is None:
                self._served.clear()
                raise
        finally:
            # Counted from the end: a scan that takes longer than its interval must leave time for something else.
            self._tried_at = self._clock()

    def _is_due(self) -> bool:
        if self._description is None:
            return True
        since_seconds = self._clock() - self._tried_at
        wait_seconds = 0.0 if self._stream is not None else self._refresh.interval_seconds
        if self.failures:
            wait_seconds = min(self._refresh.interval_seconds, RETRY_SECONDS)
        if self._clock() - self.as_of > min(view.max_staleness_seconds for view in self._views):
            return True
        # A clock that was set back must not put the next refresh off.
        return not 0 <= since_seconds < wait_seconds

    def _follow(self, stream: TableStream) -> None:
        """Apply what the stream gives up to its tip; if it can't be followed any more, read the table again."""
        started = self._clock()
        try:
            if started - self.as_of > HELD_SECONDS:
                message = f"it was last read {(started - self.as_of) / 3600:.0f} hours ago and keeps changes for 24"
                raise StreamLostError(message)
            polled = self._poll(stream)
            while not polled.at_tip and polled.error is None and self._clock() - started < _FOLLOW_SECONDS:
                polled = self._poll(stream)
        except StreamLostError as lost:
            log.warning("reference table '%s': its stream can't be followed: %s; scanning again", self._name, lost)
            self._read()
            return
        except SourceError as error:
            raise as_reference_error(error) from error
        if polled.error is not None:
            raise as_reference_error(polled.error) from polled.error
        if not polled.at_tip:
            raise not_at_tip(self._name, _FOLLOW_SECONDS)
        held, self._held = self._held, {}
        self._apply(_changes(self._items, held))
        self.as_of, self.position = started, stream.position

    def _poll(self, stream: TableStream) -> Polled:
        """Hold what the stream gives until its tip is reached: before it, an item may be older than it was already."""
        assert self._description is not None  # noqa: S101  (a stream is followed only after the table was read)
        polled = stream.poll()
        self._held.update(latest(polled.records, self._description, self._attributes(self._description)))
        return polled

    def _read(self) -> None:
        """Note where the stream stands, scan, apply what changed meanwhile; only then let views see it."""
        for _ in range(_SCANS_AT_ONCE):
            started = self._clock()
            description = describe(self._client, self._name)
            stream = self._open(description)
            try:
                resumed = stream is not None and start(stream, self._resume, started)
                items = dict(self._scan(description))
                drained = Drained({}, {}) if stream is None else self._drain(stream, description, resumed=resumed)
            except StreamLostError as lost:
                log.warning("reference table '%s': its stream was lost while scanning: %s", self._name, lost)
                self._resume = None
                continue
            except SourceError as error:
                raise as_reference_error(error) from error
            for rank, packed in drained.latest.items():
                if packed is None:
                    items.pop(rank, None)
                else:
                    items[rank] = packed
            self._held = {}
            self._take(description, items, list(drained.touched.values()) if resumed else None)
            self.as_of, self._stream, self._resume = started, stream, None
            self.position = None if stream is None else stream.position
            return
        message = f"reference table '{self._name}': its stream was lost {_SCANS_AT_ONCE} times while scanning."
        raise ReferenceTableError(message, retryable=True)

    def _take(
        self, description: TableDescription, items: dict[Rank, bytes], replayed: Sequence[ChangeRecord] | None
    ) -> None:
        if self._description is None:
            self._description, self._items = description, items
            for view in self._views:
                view.load(description, self._items)
                view.replayed(replayed)
            return
        self._description = description
        gone: dict[Rank, bytes | None] = dict.fromkeys(self._items.keys() - items.keys())
        self._apply(_changes(self._items, {**items, **gone}))

    def _drain(self, stream: TableStream, description: TableDescription, *, resumed: bool) -> Drained:
        # What changed since the last run is asked for only if the stream was resumed.
        join_attributes = sorted({name for view in self._views for name in view.join_attributes}) if resumed else None
        return drain(stream, description, self._attributes(description), touching=join_attributes, clock=self._clock)

    def _apply(self, changes: list[ItemChange]) -> None:
        for rank, _, new in changes:
            if new is None:
                del self._items[rank]
            else:
                self._items[rank] = new
        if changes:
            for view in self._views:
                view.apply(changes)

    def _scan(self, description: TableDescription) -> Iterable[tuple[Rank, bytes]]:
        attributes = self._attributes(description)
        result = scan(
            self._client,
            self._name,
            attributes,
            keep=lambda item: (description.rank(item), projected(item, attributes)),
            segments=self._table.scan_segments or default_segments(description),
            pace=self._pace,
            page_items=self._pace.page_limit(description.item_bytes),
        )
        self._consumed += result.consumed_read_units
        return result.items

    def _attributes(self, description: TableDescription) -> list[str]:
        wanted = [name for view in self._views for name in view.attributes]
        return list(dict.fromkeys([*wanted, *(attribute.name for attribute in description.key)]))

    def _open(self, description: TableDescription) -> TableStream | None:
        """Return the table's stream; None, with a warning, if it has none that tells of new values."""
        if self._refresh.follow == "scan":
            return None
        found = unusable(description)
        if description.stream_arn is not None and found is None:
            self._warned = ""
            return TableStream(self._streams(), description.stream_arn, table_name=self._name, clock=self._clock)
        if found and found != self._warned:
            log.warning(
                "reference table '%s': %s, so that its changes can't be followed: it is scanned every %g s. Enable a "
                "stream with view type NEW_AND_OLD_IMAGES or NEW_IMAGE, or set refresh.follow: scan.",
                *(self._name, found, self._refresh.interval_seconds),
            )
        self._warned = found or ""
        return None

    @property
    def _name(self) -> str:
        return self._table.table_name


def _changes(items: Mapping[Rank, bytes], latest: Mapping[Rank, bytes | None]) -> list[ItemChange]:
    return [ItemChange(rank, items.get(rank), new) for rank, new in latest.items() if items.get(rank) != new]
