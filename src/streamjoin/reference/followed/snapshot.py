"""One version of a reference: what a batch is joined with, and what its commit says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamjoin.reference.followed.pending import Mark, Pending
from streamjoin.reference.followed.shipping import ShippedRows
from streamjoin.reference.probe import KeyedRows, Layer
from streamjoin.spark.schema import to_spark


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One version of a reference; `enrich(events, s.frame, on=s.on, columns=s.columns)` joins it.

    Args:
        name: The reference's name.
        version: Grows with every change of the rows, across restarts too; never goes back.
        as_of: What was in the table by then is in the snapshot.
        items: Items of the table.
        duplicates: Join keys that more than one item has.
        misfits: Items without a row because their join key doesn't fit its type.
        misfit_values: Column -> values that don't fit its type, if there are any.
        content_hash: Equal for equal rows and types.
        types: The attributes' types, declared or inferred.
        consumed_read_units: What reading the table cost since the snapshot before.
        mark: The version, and where the table's stream stood.
        pending: What is left to rewrite of rows already written; None unless they are rewritten.
        failures: Refreshes that have failed since the last that succeeded.
        on: Event column -> the rows' column that it is compared with.
        columns: The rows' column -> the same name, of the columns that the join adds to an event.
        rows: The rows in Spark and on the driver. Freed by the `Reference` at the second call of `current` after they
            were last returned, so that the batch in hand keeps them.
        spark: Where they are.
    """

    name: str
    version: int
    as_of: datetime
    items: int
    duplicates: int
    misfits: int
    misfit_values: Mapping[str, int]
    content_hash: str
    types: pa.Schema
    consumed_read_units: float
    mark: Mark
    pending: Pending | None
    failures: int
    on: Mapping[str, str]
    columns: Mapping[str, str]
    rows: ShippedRows
    spark: SparkSession

    @property
    def table(self) -> pa.Table:
        """The rows on the driver, one a join key."""
        return self.rows.table

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows on the driver by their join keys, the newest layer first."""
        return self.rows.layers

    @property
    def frame(self) -> DataFrame:
        """The rows as a frame."""
        return self.rows.frame(self.spark)

    def side(self, events: DataFrame) -> DataFrame | KeyedRows:
        """Return what `enrich` joins `events` with."""
        del events
        return self.rows.side

    def metadata(self) -> dict[str, Any]:
        """Return what a commit says of the snapshot: JSON can hold it, `Reference.restore` takes it."""
        return {
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "items": self.items,
            "duplicates": self.duplicates,
            "misfits": self.misfits,
            "misfit_values": dict(self.misfit_values),
            "content_hash": self.content_hash,
            "types": to_spark(self.types).jsonValue(),
            "read_units": self.consumed_read_units,
            "stream": self.mark.to_dict()["stream"],
            **({} if self.pending is None else {"rewritten": self.pending.rewritten.to_dict()}),
        }
