"""What one batch is joined with if a reference is looked up, and what its commit says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from streamjoin.reference.followed.rows import Rows
from streamjoin.spark.schema import to_spark


@dataclass(frozen=True, eq=False)
class LookedUp:
    """What the lookup of one batch came to."""

    as_of: datetime
    items: int
    rows: Rows
    frame: DataFrame
    read_units: float
    failures: int


class LookupSnapshot:
    """What one batch is joined with: one value for each join key. One thread, one batch; `side` for each try of it.

    Everything but `name`, `version`, `types`, `on` and `columns` is known only after `side`.

    Attributes:
        name: The reference's name.
        version: One more than that of the batch before, across restarts too.
        types: The attributes' types, declared or inferred.
        on: Event column -> the frame's column that it is compared with.
        columns: The frame's column -> the same name, of the columns that the join adds to an event.
    """

    def __init__(
        self,
        name: str,
        version: int,
        types: pa.Schema,
        on: Mapping[str, str],
        columns: Mapping[str, str],
        look_up: Callable[[DataFrame], LookedUp],
    ) -> None:
        self.name, self.version, self.types = name, version, types
        self.on, self.columns = on, columns
        self._look_up = look_up
        self._found: LookedUp | None = None

    def side(self, events: DataFrame) -> DataFrame:
        """Fetch the items of the events' join keys; return what `enrich` joins the events with.

        Evaluates the join columns of `events`: persist them first. Events that were rejected are passed over. A batch
        that is tried again, or in parts, is looked up again: what was found last is what all its rows saw.

        Columns in: those that `on` names.
        Columns out: the reference's output columns and join columns, one row a join key.

        Raises:
            ReferenceTableError: Items could not be read, or two have one join key and that is not allowed.
            StaleReferenceError: Items could not be read again for longer than `max_staleness_seconds`.
            SchemaError: The events' columns can't be compared with the key.
        """
        before = 0 if self._found is None else self._found.read_units
        found = self._look_up(events)
        self._found = replace(found, read_units=before + found.read_units)
        return found.frame

    @property
    def found(self) -> LookedUp:
        """What `side` found last; read units of all its calls."""
        if self._found is None:
            message = f"reference '{self.name}' version {self.version} was not looked up yet; call side(events) first"
            raise RuntimeError(message)
        return self._found

    @property
    def as_of(self) -> datetime:
        """When the oldest of the answers used was read: what was in the table by then was seen."""
        return self.found.as_of

    @property
    def consumed_read_units(self) -> float:
        """What reading cost for this batch."""
        return self.found.read_units

    @property
    def failures(self) -> int:
        """Batches in a row, this one included, for which items could not be read again."""
        return self.found.failures

    def metadata(self) -> dict[str, Any]:
        """Return what a commit says of the snapshot: JSON can hold it, `LookupReference.restore` takes it."""
        found = self.found
        return {
            "mode": "lookup",
            "version": self.version,
            "as_of": found.as_of.isoformat(),
            "items": found.items,
            "duplicates": found.rows.duplicates,
            "misfits": found.rows.misfits,
            "misfit_values": dict(found.rows.misfit_values),
            "content_hash": found.rows.content_hash,
            "types": to_spark(self.types).jsonValue(),
            "read_units": found.read_units,
        }
