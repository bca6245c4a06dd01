"""A DynamoDB table as a series of snapshots: read once, kept current by its changes, never older than allowed."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.config.stages import ReferenceSettings
from streamjoin.dynamodb.service import unpack
from streamjoin.dynamodb.stream.stream import ChangeRecord
from streamjoin.dynamodb.table import TableClient, TableDescription
from streamjoin.errors import ReferenceTableError, StaleReferenceError
from streamjoin.reference.followed.changes import ResumeFrom
from streamjoin.reference.followed.configured import ConfiguredReference
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.index import ItemChange, JoinIndex, Rank
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, Uses, infer_types
from streamjoin.reference.followed.pending import Mark, Pending
from streamjoin.reference.followed.rewrites import Rewrites
from streamjoin.reference.followed.shipping import Shipping
from streamjoin.reference.followed.snapshot import Snapshot

log = logging.getLogger(__name__)


class Reference(ConfiguredReference):
    """A DynamoDB table as a series of snapshots. One thread at a time.

    Args:
        settings: The reference's part of the configuration. Without a schema there, types are inferred from the first
            scan, and then stay; `restore` brings them over a restart.
        client: boto3's DynamoDB client, for the region and role of `settings`.
        spark: Where the rows live.
        feed: The table's items; references to one table share it. Default: one of its own.
        uses: What the job does with the reference's columns.
        clock: Seconds since 1970.
    """

    looks_up = False

    def __init__(
        self,
        settings: ReferenceSettings,
        *,
        client: TableClient,
        spark: SparkSession,
        feed: TableFeed | None = None,
        uses: Uses = NOTHING_KNOWN,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, uses)
        self._spark, self._clock = spark, clock
        self._numbered: tuple[int, str | None] = (0, None)
        # If nothing is rewritten, nothing is remembered for it either.
        self._rewrites = Rewrites(self.join_attributes) if settings.on_change == "rewrite_rows" else None
        self._index: JoinIndex | None = None
        self._rows: Shipping | None = None
        self._warned: tuple[str, ...] = ()
        self._told_failures = 0
        self._snapshot: Snapshot | None = None
        self._feed = feed or own_feed(settings, client, clock)
        self._feed.add(self)

    @property
    def rewrites_rows(self) -> bool:
        """Whether rows already written are made true when the reference changes."""
        return self._rewrites is not None

    @property
    def row_schema(self) -> pa.Schema:
        """The rows' columns: those that the join adds, and the join columns."""
        assert self._index is not None  # noqa: S101  (known from the first snapshot on)
        return self._index.schema

    @property
    def attributes(self) -> Sequence[str]:
        """The attributes that are read of the table."""
        return self._layout.attributes

    @property
    def join_attributes(self) -> Sequence[str]:
        """The attributes of the join key."""
        return list(self._layout.join_attributes.values())

    @property
    def max_staleness_seconds(self) -> float:
        """How old a snapshot may get."""
        return self._settings.refresh.max_staleness_seconds

    def current(self) -> Snapshot:
        """Return the snapshot for the next batch, brought up to date first.

        A refresh that fails leaves the last snapshot in force, with a warning, until it is older than allowed.

        Raises:
            ReferenceTableError: There is no snapshot yet, and reading the first failed; or two items have one join key
                and that is not allowed.
            StaleReferenceError: The last snapshot is older than `max_staleness_seconds` and can't be refreshed.
        """
        if self._rows is not None:
            self._rows.free_replaced()
        self._feed.refresh(self)
        index, rows = self._index, self._rows
        assert index is not None  # noqa: S101  (a refresh that returns has loaded the table)
        assert rows is not None  # noqa: S101
        if self._feed.failure is None:
            self._told_failures = 0
        else:
            self._tolerate(self._feed.failure)
        self._judge(index)
        version, last_hash = self._numbered
        content_hash = index.content_hash
        if content_hash != last_hash:
            version += 1
            self._numbered = (version, content_hash)
        mark = Mark(version, content_hash, self._feed.as_of, self._feed.position)
        snapshot = Snapshot(
            name=self.name,
            version=version,
            as_of=datetime.fromtimestamp(self._feed.as_of, UTC),
            items=self._feed.items,
            duplicates=index.duplicates,
            misfits=index.misfits.items,
            misfit_values=index.misfits.values,
            content_hash=content_hash,
            types=self._types or index.schema,
            consumed_read_units=self._feed.consumed(),
            mark=mark,
            pending=None if self._rewrites is None else self._rewrites.note(mark),
            failures=self._feed.failures,
            on=self.on,
            columns=self.columns,
            rows=rows.rows,
            spark=self._spark,
        )
        if self._snapshot is None or snapshot.version != self._snapshot.version:
            log.info(
                "reference=%s version=%d rows=%d items=%d duplicates=%d misfits=%d without_key=%d read_units=%g",
                *(self.name, version, len(index), snapshot.items, snapshot.duplicates, snapshot.misfits),
                *(index.without_key, snapshot.consumed_read_units),
            )
        self._snapshot = snapshot
        return snapshot

    def restore(self, metadata: Mapping[str, Any] | None) -> None:
        """Go on with the numbering of the last commit: equal rows keep its version, others get the next.

        Args:
            metadata: What `Snapshot.metadata` gave, None if the table's last commit knows nothing of this reference.
                An older version than is known here changes nothing.
        """
        if metadata is not None and int(metadata["version"]) < self._numbered[0]:
            return
        if self._rewrites is not None:
            self._restore_rewrites(self._rewrites, metadata or {})
        if metadata is None:
            return
        restored = self._restored_types(metadata)
        if restored is not None:
            self._types = restored
        self._numbered = (int(metadata["version"]), metadata["content_hash"])

    def unreported(self, snapshot: Snapshot) -> None:
        """Have the next snapshot report what reading consumed for this one, which no commit names."""
        self._feed.give_back(snapshot.consumed_read_units)

    def rewritten(self, rest: Pending) -> None:
        """Take note of what a rewriting commit has left."""
        assert self._rewrites is not None  # noqa: S101  (only what rewrites has something pending)
        self._rewrites.pending = rest

    def _restore_rewrites(self, rewrites: Rewrites, metadata: Mapping[str, Any]) -> None:
        """Take over up to where the table's rows are true, and have the feed begin there."""
        if "rewritten" not in metadata:
            rewrites.restore(None, is_complete=False)
            return
        mark = Mark.from_dict(metadata["rewritten"])
        if mark.stream is not None:
            self._feed.resume_from(ResumeFrom(mark.stream, mark.as_of))
        # Only if the two are equal no row has a value of a version between them.
        rewrites.restore(mark, is_complete=mark.version == int(metadata["version"]))

    def close(self) -> None:
        """Free what Spark keeps; the next `current` starts from scratch, with the same types and numbering."""
        if self._rows is not None:
            self._rows.close()
        self._index, self._rows, self._snapshot = None, None, None
        self._feed.forget()

    def load(self, description: TableDescription, items: Mapping[Rank, bytes]) -> None:
        """Take in the table's items for the first time."""
        if self._types is None:
            self._types = infer_types(map(unpack, items.values()), self._layout, self._uses)
        if self._rows is not None:
            self._rows.close()
        self._index = JoinIndex(self._layout, self._types, description, items)
        self._rows = Shipping(self._spark, self._index.schema, *self._index.load())

    def replayed(self, records: Sequence[ChangeRecord] | None) -> None:
        """Find out what changed since the last run, or that it can't be known."""
        assert self._index is not None  # noqa: S101  (called after `load`)
        if self._rewrites is not None:
            self._rewrites.loaded(self._index, records)

    def apply(self, changes: Sequence[ItemChange]) -> None:
        """Follow changes of items."""
        index, rows = self._index, self._rows
        assert index is not None  # noqa: S101  (called after `load`)
        assert rows is not None  # noqa: S101
        changed = index.apply(changes)
        if changed:
            rows.change(changed, index.rows)
        if self._rewrites is not None:
            self._rewrites.changed({key: index.join_key(change.any_row) for key, change in changed.items()})

    def _judge(self, index: JoinIndex) -> None:
        """Name duplicates and misfits when they have changed; stop at those that are not allowed."""
        if index.duplicates and self._settings.on_duplicate == "fail":
            raise ReferenceTableError(index.duplicate_error())
        if index.misfits.values and self._settings.on_misfit == "fail":
            raise ReferenceTableError(index.misfits.error(self._settings.dynamodb.table_name))
        warnings = index.warnings()
        for warning in warnings:
            if warning not in self._warned:
                self._warn(warning)
        self._warned = warnings

    def _tolerate(self, error: ReferenceTableError) -> None:
        """Warn of a failed refresh, or raise when the snapshot has become too old."""
        as_of = datetime.fromtimestamp(self._feed.as_of, UTC)
        age_seconds = self._clock() - self._feed.as_of
        allowed_seconds = self.max_staleness_seconds
        if age_seconds > allowed_seconds:
            message = (
                f"reference '{self.name}' table '{self._settings.dynamodb.table_name}': the last snapshot is of "
                f"{as_of.isoformat(timespec='seconds')}, {age_seconds:.0f} s old, allowed are "
                f"{allowed_seconds:g} s; {self._feed.failures} refreshes in a row have failed, the last because: "
                f"{error} Mend that, or raise refresh.max_staleness_seconds of the reference, and start the job again."
            )
            raise StaleReferenceError(message) from error
        if self._feed.failures == self._told_failures:
            return
        self._told_failures = self._feed.failures
        log.warning(
            "reference '%s': refresh failed, version %d of %.0f s ago is used (allowed are %g s): %s",
            *(self.name, self._numbered[0], age_seconds, allowed_seconds, error),
        )


def own_feed(settings: ReferenceSettings, client: TableClient, clock: Callable[[], float] = time.time) -> TableFeed:
    """Return a feed of the reference's table."""
    table = settings.dynamodb
    return TableFeed(
        table,
        settings.refresh,
        client=client,
        streams=lambda: aws_client("dynamodbstreams", table.region, table.role_arn),
        clock=clock,
    )
