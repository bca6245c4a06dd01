"""The changes of a table, from its DynamoDB Stream: which can be followed, where to start, what an item is now."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamjoin.dynamodb.service import Item, pack
from streamjoin.dynamodb.stream.stream import ChangeRecord, StreamLostError, TableStream
from streamjoin.dynamodb.table import TableDescription
from streamjoin.errors import ReferenceTableError, SourceError
from streamjoin.reference.followed.index import Rank
from streamjoin.shards.position import Position

log = logging.getLogger(__name__)

# A stream keeps its records for 24 hours. What was noted longer ago than this may have lost some.
# Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
HELD_SECONDS = 23 * 3600.0
# An empty page doesn't prove the end of a shard; after a scan, whose changes must all be in, more are asked for.
_PATIENCE_AFTER_SCAN = 3
_DRAIN_SECONDS = 600.0


@dataclass(frozen=True)
class ResumeFrom:
    """A position in the table's stream, and when everything before it had been read."""

    position: Position
    as_of: float


def start(stream: TableStream, resume: ResumeFrom | None, now: float) -> bool:
    """Start where the last run was, if it is told and the stream still has it; say whether that is so."""
    if resume is not None and now - resume.as_of < HELD_SECONDS and resume.position.stream == stream.stream_arn:
        try:
            stream.start_at(resume.position)
        except StreamLostError as lost:
            log.warning("stream '%s' can't be resumed: %s", stream.stream_arn, lost)
        else:
            return True
    stream.start_at_tip()
    return False


@dataclass
class Drained:
    """What a stream gave up to its tip, item by item, so that many changes of one item take the room of one.

    Args:
        latest: What each changed item is now, packed; None if it was removed.
        touched: A change for each pair of join keys, before and after, with the join attributes alone; if asked for.
    """

    latest: dict[Rank, bytes | None]
    touched: dict[Any, ChangeRecord]


def drain(
    stream: TableStream,
    description: TableDescription,
    attributes: Sequence[str],
    *,
    touching: Sequence[str] | None,
    clock: Callable[[], float],
) -> Drained:
    """Read all changes up to the tip.

    Args:
        stream: Started where the changes begin.
        description: Its table.
        attributes: Those of an item to keep.
        touching: The join attributes by which changes are remembered; None: they are not.
        clock: Seconds since 1970.

    Raises:
        StreamLostError: The stream can't be followed any more.
        SourceError: It can't be read.
        ReferenceTableError: Its tip is not reached in time.
    """
    drained, started = Drained({}, {}), clock()
    while True:
        polled = stream.poll(patience=_PATIENCE_AFTER_SCAN)
        drained.latest.update(latest(polled.records, description, attributes))
        if touching is not None:
            drained.touched.update(_touched(polled.records, touching))
        if polled.error is not None:
            raise polled.error
        if polled.at_tip:
            return drained
        if clock() - started > _DRAIN_SECONDS:
            raise not_at_tip(description.table_name, _DRAIN_SECONDS)


def _touched(records: Iterable[ChangeRecord], attributes: Sequence[str]) -> Iterator[tuple[Any, ChangeRecord]]:
    for record in records:
        keys, old, new = (
            None if image is None else _only(image, attributes)
            for image in (record.keys, record.old_image, record.new_image)
        )
        slim = replace(record, keys=keys or {}, old_image=old, new_image=new)
        yield (record.operation, repr(keys), repr(old), repr(new)), slim


def not_at_tip(table_name: str, seconds: float) -> ReferenceTableError:
    """Return the error of a stream whose changes come faster than they are read."""
    return ReferenceTableError(
        f"reference table '{table_name}': the tip of its stream was not reached in {seconds:.0f} s: changes come "
        "faster than they are read. Set refresh.follow: scan of the reference, if that lasts.",
        retryable=True,
    )


def latest(
    records: Iterable[ChangeRecord], description: TableDescription, attributes: Sequence[str]
) -> dict[Rank, bytes | None]:
    """Return what each changed item is now, packed; None if it was removed."""
    return {
        description.rank(record.keys): None if record.new_image is None else projected(record.new_image, attributes)
        for record in records
    }


def _only(item: Item, attributes: Iterable[str]) -> Item:
    return {name: item[name] for name in attributes if name in item}


def projected(item: Item, attributes: Iterable[str]) -> bytes:
    """Return the item packed, with these attributes alone, always in their order."""
    return pack(_only(item, attributes))


def as_reference_error(error: SourceError) -> ReferenceTableError:
    """Return the error of a stream as the reference's."""
    return ReferenceTableError(str(error), retryable=error.retryable)
