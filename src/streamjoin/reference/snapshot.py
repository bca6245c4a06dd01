"""The snapshot that a batch is joined with: read once, refreshed at its interval, never older than allowed."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from streamjoin.config.stages import ReferenceSettings
from streamjoin.errors import ReferenceTableError, StaleReferenceError
from streamjoin.reference.rows import build_rows, check_types, json_key_warnings, lay_out, to_frame
from streamjoin.reference.table import TableClient, describe, scan
from streamjoin.reference.types import infer_schema

log = logging.getLogger(__name__)

# A failed refresh is tried again after this, or after the refresh interval where that is shorter.
RETRY_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One version of a reference; `enrich(events, s.frame, on=s.on, columns=s.columns)` joins it.

    Args:
        name: The reference's name.
        version: Grows with every change of the rows, across restarts too; never goes back.
        as_of: When the scan that it comes from began; what was in the table by then is in it.
        items: Items that the scan read.
        duplicates: Join keys that more than one item has.
        misfits: Items without a row because they don't fit the schema.
        content_hash: Equal for equal rows and types.
        types: The attributes' types, declared or inferred.
        consumed_read_units: What the last scan cost.
        on: Event column -> the frame's column that it is compared with.
        columns: The frame's column -> the same name, of the columns that the join adds to an event.
        table: The rows on the driver, one a join key.
        frame: The same rows in Spark. A `Reference` frees it at the second call of `current` after it was
            last returned, so that the batch in hand keeps it.
    """

    name: str
    version: int
    as_of: datetime
    items: int
    duplicates: int
    misfits: int
    content_hash: str
    types: StructType
    consumed_read_units: float
    on: Mapping[str, str]
    columns: Mapping[str, str]
    table: pa.Table
    frame: DataFrame

    def metadata(self) -> dict[str, Any]:
        """Return what a commit says of the snapshot: JSON can hold it, `Reference.restore` takes it."""
        return {
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "items": self.items,
            "duplicates": self.duplicates,
            "misfits": self.misfits,
            "content_hash": self.content_hash,
            "types": self.types.jsonValue(),
        }


class Reference:
    """A DynamoDB table as a series of snapshots. One thread at a time.

    Args:
        settings: The reference's part of the configuration. Without a schema there, types are inferred from the first
            scan, and then stay; `restore` brings them over a restart.
        client: boto3's DynamoDB client, for the region and role of `settings`.
        spark: Where the frames live.
        clock: Seconds since 1970.
        previous_version: The last version that is known to have been used; the first snapshot's is one more.

    Attributes:
        name: As configured.
        how: How events are joined, as configured.
        on: Event column -> the frame's column that it is compared with: the attribute's name, unless that is taken.
        columns: The frame's column -> the same name, of the columns that the join adds to an event.
        refresh_failures: How many refreshes have failed since the last that succeeded.

    Raises:
        SchemaError: The declared schema lacks an attribute, or a join attribute's type can't be compared.
    """

    def __init__(
        self,
        settings: ReferenceSettings,
        *,
        client: TableClient,
        spark: SparkSession,
        clock: Callable[[], float] = time.time,
        previous_version: int = 0,
    ) -> None:
        self._layout = lay_out(settings.on, settings.columns)
        self.name = settings.name
        self.how: Literal["left", "inner"] = settings.how
        self.on: Mapping[str, str] = self._layout.on
        self.columns: Mapping[str, str] = {column: column for column in self._layout.outputs}
        self.refresh_failures = 0
        self._settings = settings
        self._client = client
        self._spark = spark
        self._clock = clock
        self._types: StructType | None = settings.schema_
        if self._types is not None:
            check_types(self._layout, self._types, settings.name)
        self._numbered: tuple[int, str | None] = (previous_version, None)
        self._snapshot: Snapshot | None = None
        self._tried_at = 0.0
        self._replaced: list[DataFrame] = []

    def current(self) -> Snapshot:
        """Return the snapshot for the next batch; read the table first when its interval has passed.

        A refresh that fails leaves the last snapshot in force, with a warning, until it is older than allowed.

        Raises:
            ReferenceTableError: There is no snapshot yet, and reading the first failed.
            StaleReferenceError: The last snapshot is older than `max_staleness_seconds` and can't be refreshed.
        """
        for frame in self._replaced:
            frame.unpersist()
        self._replaced.clear()
        if self._snapshot is None:
            self._snapshot = self._read(None)
        elif self._is_due(self._snapshot):
            try:
                self._snapshot = self._read(self._snapshot)
                self.refresh_failures = 0
            except ReferenceTableError as error:
                self.refresh_failures += 1
                self._tolerate(error, self._snapshot)
        else:
            return self._snapshot
        # Counted from the end: a scan that takes longer than its interval must leave time for something else.
        self._tried_at = self._clock()
        return self._snapshot

    def restore(self, metadata: Mapping[str, Any]) -> None:
        """Go on with the numbering of the last commit: equal rows keep its version, others get the next.

        Args:
            metadata: What `Snapshot.metadata` gave. An older version than is known here changes nothing.
        """
        inferred = StructType.fromJson(metadata["types"])
        if self._types is None and inferred.names == list(self._layout.attributes):
            # The table has columns of these types: another choice after a restart would not fit it.
            self._types = inferred
        if int(metadata["version"]) < self._numbered[0]:
            return
        self._numbered = (int(metadata["version"]), metadata["content_hash"])
        if self._snapshot is not None:
            self._snapshot = replace(self._snapshot, version=self._number(self._snapshot.content_hash))
            self._numbered = (self._snapshot.version, self._snapshot.content_hash)

    def close(self) -> None:
        """Free what Spark keeps; the next `current` starts anew, with the same types and numbering."""
        for frame in [*self._replaced, *([self._snapshot.frame] if self._snapshot else [])]:
            frame.unpersist()
        self._replaced.clear()
        self._snapshot = None

    def _is_due(self, snapshot: Snapshot) -> bool:
        now = self._clock()
        refresh = self._settings.refresh
        if now - snapshot.as_of.timestamp() > refresh.max_staleness_seconds:
            return True
        wait_seconds = refresh.interval_seconds
        if self.refresh_failures:
            wait_seconds = min(wait_seconds, RETRY_SECONDS)
        # A clock that was set back must not put the next refresh off.
        return not 0 <= now - self._tried_at < wait_seconds

    def _read(self, last: Snapshot | None) -> Snapshot:
        """Return a new snapshot; nothing of this reference has changed when it raises."""
        settings, table_name = self._settings, self._settings.dynamodb.table_name
        as_of = datetime.fromtimestamp(self._clock(), UTC)
        description = describe(self._client, table_name)
        key = [attribute.name for attribute in description.key]
        result = scan(
            self._client,
            table_name,
            [*self._layout.attributes, *key],
            settings.dynamodb.scan_segments or description.default_segments,
        )
        types = self._types or infer_schema(result.items, self._layout.attributes)
        rows = build_rows(
            result.items, description, self._layout, types, fail_on_duplicate=settings.on_duplicate == "fail"
        )
        is_same = last is not None and rows.content_hash == last.content_hash
        if last is None or not is_same or (rows.duplicates, rows.misfits) != (last.duplicates, last.misfits):
            for warning in (*json_key_warnings(self._layout, types), *rows.warnings):
                log.warning("reference '%s' table '%s': %s", self.name, table_name, warning)
        snapshot = Snapshot(
            name=self.name,
            version=last.version if last and is_same else self._number(rows.content_hash),
            as_of=as_of,
            items=len(result.items),
            duplicates=rows.duplicates,
            misfits=rows.misfits,
            content_hash=rows.content_hash,
            types=types,
            consumed_read_units=result.consumed_read_units,
            on=self.on,
            columns=self.columns,
            table=last.table if last and is_same else rows.table,
            frame=last.frame if last and is_same else to_frame(self._spark, rows),
        )
        self._types = types
        self._numbered = (snapshot.version, snapshot.content_hash)
        if not is_same:
            if last is not None:
                self._replaced.append(last.frame)
            log.info(
                "reference=%s version=%d rows=%d items=%d duplicates=%d misfits=%d without_key=%d read_units=%g",
                *(self.name, snapshot.version, rows.table.num_rows, snapshot.items),
                *(rows.duplicates, rows.misfits, rows.without_key, snapshot.consumed_read_units),
            )
        return snapshot

    def _number(self, content_hash: str) -> int:
        version, last_hash = self._numbered
        return version if content_hash == last_hash else version + 1

    def _tolerate(self, error: ReferenceTableError, snapshot: Snapshot) -> None:
        """Warn of a failed refresh, or raise when the snapshot has become too old."""
        age_seconds = self._clock() - snapshot.as_of.timestamp()
        allowed_seconds = self._settings.refresh.max_staleness_seconds
        if age_seconds > allowed_seconds:
            message = (
                f"reference '{self.name}' table '{self._settings.dynamodb.table_name}': the last snapshot is of "
                f"{snapshot.as_of.isoformat(timespec='seconds')}, {age_seconds:.0f} s old, allowed are "
                f"{allowed_seconds:g} s; {self.refresh_failures} refreshes in a row have failed, the last because: "
                f"{error} Mend that, or raise refresh.max_staleness_seconds of the reference, and start the job again."
            )
            raise StaleReferenceError(message) from error
        log.warning(
            "reference '%s': refresh failed, version %d of %.0f s ago is used (allowed are %g s): %s",
            self.name,
            snapshot.version,
            age_seconds,
            allowed_seconds,
            error,
        )
