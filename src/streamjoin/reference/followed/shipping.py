"""A reference's rows in Spark: few as a frame that is broadcast, many as layers that executors keep."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import uuid4

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamjoin.reference.followed.index import RowChange, as_table
from streamjoin.reference.followed.rows import FEW_ROWS, to_frame
from streamjoin.reference.probe import KeyedRows, Layer, ShippedLayer, merged
from streamjoin.spark.schema import to_spark

# Changed rows are shipped beside the others until they are this many: then all are shipped again.
_MOST_CHANGES = 10_000


@dataclass(frozen=True, eq=False)
class ShippedRows:
    """The rows of one version.

    Args:
        side: What `enrich` joins with.
        base: The rows on the driver, but for `changes`.
        changes: What has changed since.
        keys: The join key of each row of a table.
        made: The frame of all rows, once it was asked for.
    """

    side: DataFrame | KeyedRows
    base: pa.Table | Layer
    changes: Layer | None = None
    keys: Sequence[str] = ()
    made: list[DataFrame] = field(default_factory=list)

    @property
    def table(self) -> pa.Table:
        """The rows on the driver."""
        if isinstance(self.base, Layer):
            return self.base.table if self.changes is None else merged(self.base, self.changes).table
        return self.base

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The rows on the driver by their join keys, the newest layer first."""
        if isinstance(self.base, Layer):
            return (self.base,) if self.changes is None else (self.changes, self.base)
        return (Layer.of(self.keys, self.base),)

    def frame(self, spark: SparkSession) -> DataFrame:
        """Return the rows as a frame, whatever their number."""
        if not isinstance(self.side, KeyedRows):
            return self.side
        if not self.made:
            self.made.append(to_frame(spark, self.table))
        return self.made[0]

    def free(self) -> None:
        """Free the frames."""
        for frame in [*self.made, *([] if isinstance(self.side, KeyedRows) else [self.side])]:
            frame.unpersist()


class Shipping:
    """Takes each version of the rows to Spark. What it replaces is freed when the batch that may use it is over.

    Args:
        spark: Where to.
        schema: The rows' columns.
        keys: The join key of each row, as text.
        table: The rows.
    """

    def __init__(self, spark: SparkSession, schema: pa.Schema, keys: list[str], table: pa.Table) -> None:
        self._spark, self._schema = spark, schema
        self._place = uuid4().hex
        self._replaced: list[Callable[[], object]] = []
        self._changed: dict[str, RowChange] = {}
        self._layers: tuple[ShippedLayer, ...] = ()
        self.rows = self._ship(keys, table)

    def change(self, changes: Mapping[str, RowChange], rows: Callable[[], tuple[list[str], pa.Table]]) -> None:
        """Follow changes of rows.

        Args:
            changes: What changed, by join key.
            rows: Returns all rows as they are now.
        """
        base = self.rows.base
        if not isinstance(base, Layer):
            self._retire()
            self.rows = self._ship(*rows())
            return
        self._changed.update(changes)
        layer = self._changes()
        if len(self._changed) > _MOST_CHANGES:
            self._retire()
            self.rows = self._ship_base(merged(base, layer))
            return
        # The base stays where it is; only the layer above it is replaced.
        *older, shipped_base = self._layers
        self._replaced += [self.rows.free, *(each.free for each in older)]
        self._layers = (ShippedLayer.of(self._spark, layer, f"{self._place}/changes"), shipped_base)
        self.rows = ShippedRows(KeyedRows(to_spark(self._schema), self._layers), base, layer)

    def free_replaced(self) -> None:
        """Free what no batch uses any more."""
        for free in self._replaced:
            free()
        self._replaced.clear()

    def close(self) -> None:
        """Free everything."""
        self._retire()
        self.free_replaced()

    def _ship(self, keys: list[str], table: pa.Table) -> ShippedRows:
        if table.num_rows >= FEW_ROWS:
            return self._ship_base(Layer.of(keys, table))
        self._layers = ()
        return ShippedRows(to_frame(self._spark, table), table, keys=keys)

    def _ship_base(self, base: Layer) -> ShippedRows:
        self._layers, self._changed = (ShippedLayer.of(self._spark, base, self._place),), {}
        return ShippedRows(KeyedRows(to_spark(self._schema), self._layers), base)

    def _retire(self) -> None:
        self._replaced += [self.rows.free, *(layer.free for layer in self._layers)]

    def _changes(self) -> Layer:
        nothing = (None,) * len(self._schema)
        rows = [nothing if change.after is None else change.after for change in self._changed.values()]
        present = [change.after is not None for change in self._changed.values()]
        return Layer.of(list(self._changed), as_table(rows, self._schema), present)
