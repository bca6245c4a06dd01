"""A reference of many rows, joined without moving them: each executor looks its events up in rows that it holds.

A broadcast join builds its hash table again in every batch, which for 500,000 rows takes longer than all the rest. Here
the rows are shipped once, as Arrow, and stay; a change ships the changed rows alone, in a second layer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from streamjoin.moments import in_utc
from streamjoin.spark.workers import map_batches

# A worker holds one layer for each place; references that are no longer used give theirs up from here on.
_PLACES_KEPT = 64


def key_text(values: Sequence[Any]) -> str | None:
    """Return one text for a join key: the same for values that a join takes as equal; None if a part is null.

    The number 7 is "7" as an integer, as a decimal of any scale and as a float, and so equals the text "7".
    """
    if len(values) == 1:
        return _text(values[0])
    texts = [_text(value) for value in values]
    return None if None in texts else msgspec.json.encode(texts).decode()


def _text(value: Any) -> str | None:  # noqa: PLR0911
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return _plain(value)
        case float():
            return _plain(Decimal(repr(value)))
        case bytes() | bytearray():
            return value.hex()
        case datetime():
            return in_utc(value).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
    message = f"a {type(value).__name__} can't be part of a join key"
    raise TypeError(message)


def _plain(number: Decimal) -> str:
    if not number.is_finite():
        return str(number)
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@dataclass(frozen=True, eq=False)
class Layer:
    """Rows by join key, in the order of their keys' hashes.

    Args:
        hashes: Of `keys`, ascending.
        keys: `key_text` of each row.
        table: The rows.
        present: False for a key that is known to have no row (any more).
    """

    hashes: NDArray[np.uint64]
    keys: pa.StringArray
    table: pa.Table
    present: NDArray[np.bool_]

    @classmethod
    def of(
        cls, keys: Sequence[str] | pa.StringArray, table: pa.Table, present: Sequence[bool] | None = None
    ) -> "Layer":
        """Return the layer of rows whose join keys are `keys`; all of them present unless told."""
        texts = keys if isinstance(keys, pa.StringArray) else pa.array(keys, pa.string())
        hashes = _hashes(texts)
        order = np.argsort(hashes, kind="stable")
        there = np.ones(len(texts), np.bool_) if present is None else np.asarray(present, np.bool_)
        # One chunk, so that looking up needs not search for the chunk first.
        return cls(hashes[order], texts.take(order), table.take(order).combine_chunks(), there[order])

    def find(self, keys: pa.StringArray) -> NDArray[np.int64]:
        """Return for each key the number of its row, -1 if this layer doesn't know it."""
        found = np.full(len(keys), -1, np.int64)
        if not len(self.hashes):
            return found
        wanted = _hashes(keys)
        places = np.searchsorted(self.hashes, wanted)
        open_ = np.flatnonzero(pc.is_valid(keys).to_numpy(zero_copy_only=False))
        # Two keys may share a hash: then the next places are looked at as well.
        while len(open_):
            open_ = open_[places[open_] < len(self.hashes)]
            open_ = open_[self.hashes[places[open_]] == wanted[open_]]
            same = pc.equal(self.keys.take(places[open_]), keys.take(open_)).to_numpy(zero_copy_only=False)
            found[open_[same]] = places[open_[same]]
            open_ = open_[~same]
            places[open_] += 1
        return found

    def without(self, keys: pa.StringArray) -> "Layer":
        """Return this layer without the rows of `keys`."""
        found = self.find(keys)
        keep = np.ones(len(self.hashes), np.bool_)
        keep[found[found >= 0]] = False
        kept = np.flatnonzero(keep)
        return Layer(
            self.hashes[kept], self.keys.take(kept), self.table.take(kept).combine_chunks(), self.present[kept]
        )


def merged(base: Layer, changes: Layer) -> Layer:
    """Return one layer with the rows of `base`, but for the keys of `changes` those of `changes`."""
    there = np.flatnonzero(changes.present)
    rest = base.without(changes.keys)
    keys = pa.concat_arrays([rest.keys, changes.keys.take(there)])
    return Layer.of(keys, pa.concat_tables([rest.table, changes.table.take(there)]))


def _hashes(keys: pa.StringArray) -> NDArray[np.uint64]:
    # pandas' hash is the same in every process, as Python's own is not.
    return pd.util.hash_array(keys.fill_null("").to_numpy(zero_copy_only=False), categorize=False)


@dataclass(frozen=True)
class ShippedLayer:
    """A layer on its way to executors.

    Args:
        place: Names what it takes the place of: a worker holds the newest layer of each place.
        token: Names the layer, so that a worker unpacks it once.
        broadcast: The layer.
    """

    place: str
    token: str
    broadcast: Broadcast[Layer]

    @classmethod
    def of(cls, spark: SparkSession, layer: Layer, place: str) -> "ShippedLayer":
        """Ship a layer; call `free` when no frame uses it any more."""
        return cls(place, uuid4().hex, spark.sparkContext.broadcast(layer))

    def free(self) -> None:
        """Take it off the executors and the driver's disk."""
        self.broadcast.destroy()


@dataclass(frozen=True)
class KeyedRows:
    """One version of a large reference: what `enrich` takes in place of a frame.

    Args:
        schema: The rows' columns.
        layers: The newest first: the first that knows a key decides.
    """

    schema: T.StructType
    layers: tuple[ShippedLayer, ...]

    def attach(self, events: DataFrame, on: Mapping[str, str], columns: Sequence[str], matched: str) -> DataFrame:
        """Add to every event the columns of its row, null if there is none.

        Columns out: the event's, `columns`, `matched` (boolean).

        Args:
            events: Any frame.
            on: Event column -> column of the rows, in the order of the join key.
            columns: What to add.
            matched: Name of the column that says whether there was a row.
        """
        added = T.StructType([T.StructField(name, self.schema[name].dataType) for name in columns])
        out = T.StructType([*events.schema.fields, *added.fields, T.StructField(matched, T.BooleanType())])
        return map_batches(events, _Attach(tuple(on), tuple(columns), matched, self.layers), out)


_layers: dict[str, tuple[str, Layer]] = {}
"""By place, the layer that this worker has unpacked, and its token; the last used place is the last.

Spark itself drops a broadcast's value between two tasks as soon as one doesn't use it.
"""


def _unpacked(shipped: ShippedLayer) -> Layer:
    token, layer = _layers.pop(shipped.place, ("", None))
    if layer is None or token != shipped.token:
        layer = shipped.broadcast.value
    _layers[shipped.place] = (shipped.token, layer)
    while len(_layers) > _PLACES_KEPT:
        del _layers[next(iter(_layers))]
    return layer


@dataclass(frozen=True)
class _Attach:
    on: tuple[str, ...]
    columns: tuple[str, ...]
    matched: str
    layers: tuple[ShippedLayer, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        layers = [_unpacked(shipped) for shipped in self.layers]
        for batch in batches:
            yield attached(batch, layers, self.on, self.columns, self.matched)


def attached(
    batch: pa.RecordBatch, layers: Sequence[Layer], on: Sequence[str], columns: Sequence[str], matched: str
) -> pa.RecordBatch:
    """Return events with the columns of their rows, as `KeyedRows.attach`, wherever the layers are.

    Args:
        batch: The events.
        layers: The newest first; of equal columns.
        on: The event's columns of the join key, in its order.
        columns: What to add.
        matched: Name of the column that says whether there was a row.
    """
    rows = pa.concat_tables([layer.table.select(columns) for layer in layers])
    places = _places(batch, layers, on)
    found = rows.take(pa.array(places, pa.int64(), mask=places < 0))
    added = [
        pa.concat_arrays(found[index].chunks) if found[index].num_chunks else pa.array([], field.type)
        for index, field in enumerate(rows.schema)
    ]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *added, pa.array(places >= 0)], names=[*batch.schema.names, *columns, matched]
    )


def _places(batch: pa.RecordBatch, layers: Sequence[Layer], on: Sequence[str]) -> NDArray[np.int64]:
    """Return for each event the number of its row among those of all layers, -1 if there is none."""
    parts = [batch.column(name).to_pylist() for name in on]
    keys = pa.array([key_text(values) for values in zip(*parts, strict=True)], pa.string())
    places = np.full(len(keys), -1, np.int64)
    undecided = np.ones(len(keys), np.bool_)
    offset = 0
    for layer in layers:
        found = layer.find(keys)
        known = undecided & (found >= 0)
        there = known.copy()
        there[known] = layer.present[found[known]]
        places[there] = found[there] + offset
        undecided &= ~known
        offset += len(layer.hashes)
    return places
