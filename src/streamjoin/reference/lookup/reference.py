"""A DynamoDB table of any size as a reference: a batch reads the items of its own join keys, and nothing else."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from streamjoin.config.stages import ReferenceSettings
from streamjoin.dynamodb.service import unpack
from streamjoin.dynamodb.table import TableClient, TableDescription
from streamjoin.errors import ReferenceTableError, SchemaError, StaleReferenceError
from streamjoin.records.events import REASON_COLUMN
from streamjoin.reference.followed.configured import ConfiguredReference
from streamjoin.reference.followed.index import Rank
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, Uses
from streamjoin.reference.followed.rows import build_rows, to_frame
from streamjoin.reference.lookup.calls import Target
from streamjoin.reference.lookup.fetch import FETCHED_SCHEMA, FetchItems, KeyColumn
from streamjoin.reference.lookup.fetcher import Fetching, FetchReport
from streamjoin.reference.lookup.key_values import check_key
from streamjoin.reference.lookup.keys import index_of, no_access, plan_lookup, require_projected
from streamjoin.reference.lookup.snapshot import LookedUp, LookupSnapshot
from streamjoin.reference.lookup.types import sampled_types
from streamjoin.reference.table import describe
from streamjoin.spark.schema import to_arrow_type, to_spark
from streamjoin.spark.workers import map_batches

log = logging.getLogger(__name__)

_MAX_CACHED_ITEMS = 100_000


@dataclass(frozen=True)
class _Plan:
    """How items are fetched, and what they are in Spark; the same for every batch."""

    description: TableDescription
    target: Target
    types: pa.Schema


class LookupReference(ConfiguredReference):
    """A DynamoDB table of which each batch fetches the items of its join keys. One thread at a time.

    All rows of a batch see one value of a key; the values of different keys may have been read at different times, the
    oldest `refresh.interval_seconds` ago.

    Args:
        settings: The reference's part of the configuration. Without a schema there, types are inferred from a sample,
            and then stay; `restore` brings them over a restart.
        client: boto3's DynamoDB client, for the region and role of `settings`.
        spark: Where the events are.
        uses: What the job does with the reference's columns.
        clock: Seconds since 1970.

    Attributes:
        refresh_failures: Batches in a row for which items could not be read again.
    """

    looks_up = True

    def __init__(
        self,
        settings: ReferenceSettings,
        *,
        client: TableClient,
        spark: SparkSession,
        uses: Uses = NOTHING_KNOWN,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, uses)
        self.refresh_failures = 0
        self._client, self._spark, self._clock = client, spark, clock
        self._version = 0
        self._plan: _Plan | None = None
        self._unpaid = 0.0
        self._said: tuple[str, ...] = ()
        self._frames: list[DataFrame] = []

    def current(self) -> LookupSnapshot:
        """Return the snapshot for the next batch; nothing is read for it before its `side`.

        What the batch before the last one was joined with is freed.

        Raises:
            ReferenceTableError: The table can't be described or sampled, or the join key is none of its keys.
        """
        while len(self._frames) > 1:
            self._frames.pop(0).unpersist()
        plan = self._plan = self._plan or self._make_plan()
        self._version += 1
        return LookupSnapshot(
            self.name, self._version, plan.types, self.on, self.columns, lambda events: self._look_up(events, plan)
        )

    def restore(self, metadata: Mapping[str, Any] | None) -> None:
        """Go on with the numbering and the types of the last commit.

        Args:
            metadata: What `metadata` of a snapshot gave, of this mode or the other; None if the table's last commit
                knows nothing of this reference. An older version than is known here changes nothing.
        """
        if metadata is None:
            return
        restored = self._restored_types(metadata)
        if restored is not None:
            self._types = restored
        self._version = max(self._version, int(metadata["version"]))

    def close(self) -> None:
        """Free what Spark keeps; the next `current` starts from scratch, with the same types and numbering."""
        for frame in self._frames:
            frame.unpersist()
        self._frames.clear()
        self._plan = None

    def _make_plan(self) -> _Plan:
        table = self._settings.dynamodb
        on_attributes = list(self._layout.join_attributes.values())
        description = describe(self._client, table.table_name)
        index = index_of(description, table.index_name)
        access = plan_lookup(description, on_attributes, index)
        if access is None:
            message = f"reference '{self.name}' {no_access(description, on_attributes, index)}"
            raise ReferenceTableError(message)
        if index is not None and access.index_name is None:
            self._warn(f"index '{index.name}' isn't used: the join key is the table's own; leave out index_name")
        elif index is not None:
            require_projected(index, table.table_name, self._layout.attributes)
        target = Target(
            table_name=table.table_name,
            region=self._client.meta.region_name,
            role_arn=table.role_arn,
            access=access,
            primary_key=description.key,
            attributes=self._layout.attributes,
            item_bytes=description.item_bytes,
        )
        if self._types is None:
            self._warn(
                "types are inferred from a sample of 1,000 items at most, and stay; a value that doesn't fit them is "
                "null. Declare the reference's schema"
            )
            sample = sampled_types(self._client, target, self._layout, self._uses, table.max_read_units_per_second)
            self._types, self._unpaid = sample.types, sample.consumed_read_units
        return _Plan(description, target, self._types)

    def _look_up(self, events: DataFrame, plan: _Plan) -> LookedUp:
        started_at = self._clock()
        fetched = self._fetch(events, plan)
        ends = [FetchReport(**end.asDict()) for _, _, end in fetched if end is not None]
        self._judge(ends)
        items = newest(((item, read_at) for item, read_at, end in fetched if end is None), plan.target)
        rows = build_rows(
            items,
            plan.description,
            self._layout,
            plan.types,
            fail_on_duplicate=self._settings.on_duplicate == "fail",
            fail_on_misfit=self._settings.on_misfit == "fail",
        )
        if rows.warnings and rows.warnings != self._said:
            for warning in rows.warnings:
                self._warn(warning)
        self._said = rows.warnings
        frame = to_frame(self._spark, rows.table)
        self._frames.append(frame)
        read_units = sum(end.read_units for end in ends) + self._unpaid
        self._unpaid = 0.0
        oldest = min((end.oldest_read_at for end in ends if end.oldest_read_at is not None), default=started_at)
        log.info(
            "reference=%s version=%d keys=%d cached_keys=%d stale_keys=%d calls=%d items=%d rows=%d duplicates=%d "
            "misfits=%d read_units=%g",
            *(self.name, self._version, sum(end.keys for end in ends), sum(end.cached_keys for end in ends)),
            *(sum(end.stale_keys for end in ends), sum(end.calls for end in ends), len(items)),
            *(rows.table.num_rows, rows.duplicates, rows.misfits, read_units),
        )
        as_of = datetime.fromtimestamp(oldest, UTC)
        return LookedUp(as_of, len(items), rows, frame, read_units, self.refresh_failures)

    def _fetch(self, events: DataFrame, plan: _Plan) -> Sequence[Any]:
        """Return the rows that the tasks give: `FETCHED_SCHEMA`'s."""
        settings = self._settings
        columns = self._key_columns(events.schema, plan)
        tasks = min(
            int(str(self._spark.conf.get("spark.sql.shuffle.partitions"))),
            self._spark.sparkContext.defaultParallelism,
        )
        fetching = Fetching(
            plan.target,
            reuse_seconds=settings.refresh.interval_seconds,
            max_staleness_seconds=settings.refresh.max_staleness_seconds,
            max_cached_items=settings.max_cached_items or _MAX_CACHED_ITEMS,
        )
        work = FetchItems(fetching, tuple(columns.values()), settings.dynamodb.max_read_units_per_second, max(tasks, 1))
        names = {column: f"key{position}" for position, column in enumerate(columns)}
        kept = events.where(f"{REASON_COLUMN} IS NULL") if REASON_COLUMN in events.columns else events
        keys = kept.selectExpr(*(f"`{column}` AS {name}" for column, name in names.items())).dropna()
        # Equal keys come to one task. Their number is fixed: each has an equal share of the read units.
        return map_batches(keys.repartition(max(tasks, 1), *names.values()), work, to_spark(FETCHED_SCHEMA)).collect()

    def _key_columns(self, events: T.StructType, plan: _Plan) -> dict[str, KeyColumn]:
        """Return, for each of the key's attributes, the event's column; check that all that are joined can be."""
        by_attribute: dict[str, tuple[str, KeyColumn]] = {}
        types = {attribute.name: attribute.type for attribute in plan.target.access.attributes}
        for column, attribute in self._settings.on.items():
            if column not in events.names:
                message = (
                    f"join {column} = {attribute}: there is no column '{column}'; `on` maps event columns to reference "
                    "columns"
                )
                raise SchemaError(message)
            pair = KeyColumn(to_arrow_type(events[column].dataType), plan.types.field(attribute).type)
            check_key(self.name, column, attribute, pair.event, pair.found, types[attribute])
            # If two columns are joined with one attribute, an event matches only if both are the key.
            by_attribute.setdefault(attribute, (column, pair))
        return dict(by_attribute[attribute] for attribute in types)

    def _judge(self, ends: Iterable[FetchReport]) -> None:
        """Raise when keys could not be read; warn when what was known of them had to do."""
        ends = list(ends)
        failed = [end for end in ends if end.error is not None]
        unknown = [end for end in failed if end.unknown_keys]
        outdated = [end for end in failed if end.outdated_keys]
        if not failed:
            if any(end.calls for end in ends):
                self.refresh_failures = 0
            return
        self.refresh_failures += 1
        # What no repetition can mend comes first.
        worst = min(unknown or outdated or failed, key=lambda end: end.is_retryable)
        allowed_seconds = self._settings.refresh.max_staleness_seconds
        if unknown:
            raise ReferenceTableError(str(worst.error), retryable=worst.is_retryable)
        if outdated:
            message = (
                f"reference '{self.name}' table '{self._settings.dynamodb.table_name}': "
                f"{sum(end.outdated_keys for end in outdated)} join keys were last read up to "
                f"{max(end.outdated_seconds for end in outdated):.0f} s ago, allowed are {allowed_seconds:g} s; "
                f"reading them again failed: {worst.error} Mend that, or raise refresh.max_staleness_seconds of the "
                "reference, and start the job again."
            )
            raise StaleReferenceError(message)
        oldest = min(end.oldest_read_at for end in failed if end.oldest_read_at is not None)
        log.warning(
            "reference '%s': %d join keys could not be read again, what was read up to %.0f s ago is used (allowed are "
            "%g s): %s",
            self.name,
            sum(end.stale_keys for end in failed),
            self._clock() - oldest,
            allowed_seconds,
            worst.error,
        )


def newest(fetched: Iterable[tuple[bytes, float]], target: Target) -> dict[Rank, bytes]:
    """Return each item once, packed as it was last read: two spellings of one key may have come to two tasks."""
    found: dict[Rank, tuple[float, bytes]] = {}
    for packed, read_at in fetched:
        rank = target.rank(unpack(packed))
        other = found.get(rank)
        if other is None or read_at > other[0]:
            found[rank] = (read_at, packed)
    return {rank: packed for rank, (_, packed) in found.items()}
