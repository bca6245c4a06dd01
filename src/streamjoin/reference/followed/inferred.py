"""Types for a reference's attributes that no schema declares: found in the items, with room for what may come later."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from streamjoin.dynamodb.attribute_types import JSON_TEXT, Value, exact, measure
from streamjoin.dynamodb.service import Item
from streamjoin.reference.followed.layout import Layout

_DIGITS: Final = 38
# Spark's own default.
_SCALE: Final = 18
# What can be compared with an event's column. Of equally many the first counts: a number fits a text, no text a number.
_COMPARABLE: Final[dict[str, pa.DataType]] = {
    "S": pa.string(),
    "N": pa.int64(),
    "BOOL": pa.bool_(),
    "B": pa.binary(),
}


@dataclass(frozen=True)
class Uses:
    """What a job does with a reference's columns, where that decides between types.

    Args:
        events: The event's columns and their types, as far as they are known.
        identifying: Columns that are joined on, or that keys, ordering or partitions are made of. A whole number stays
            `bigint` there: as a decimal it would be another text, and so another key or partition.
    """

    events: Mapping[str, pa.DataType] = field(default_factory=dict)
    identifying: frozenset[str] = frozenset()


NOTHING_KNOWN: Final = Uses()


def infer_types(items: Iterable[Item], layout: Layout, uses: Uses) -> pa.Schema:
    """Choose a type for each attribute of a layout.

    All S: string. All N: decimal(38, 18) or with what scale they need and have room for, else string with the numbers'
    own text; bigint for whole ones that identify. All BOOL: boolean. All B: binary. Sets, lists, maps, and several of
    these: string, in which a text is itself, a number its digits, binary base64, and all else JSON text. No value at
    all: string.

    Of several types in a join attribute that of the event's column counts, else the most frequent. The items of another
    type are misfits.

    Args:
        items: The items.
        layout: Which attributes.
        uses: What the job does with them.
    """
    found = {attribute: _Found() for attribute in layout.attributes}
    for item in items:
        for attribute, kinds in found.items():
            value = item.get(attribute)
            if value is not None:
                kinds.add(value)
    joined = {layout.columns[column]: uses.events.get(event_column) for event_column, column in layout.on.items()}
    identifying = {layout.columns[column] for column in uses.identifying if column in layout.columns}
    return pa.schema(
        [
            pa.field(attribute, kinds.key_type(joined[attribute]))
            if attribute in joined
            else kinds.field(attribute, has_room=attribute not in identifying)
            for attribute, kinds in found.items()
        ]
    )


class _Found:
    """What an attribute's values have been so far."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._fits_bigint = True
        self._integral_digits = 0
        self._scale = 0

    def add(self, value: Value) -> None:
        ((kind, content),) = value.items()
        if kind == "NULL":
            return
        self._kinds[kind] += 1
        if kind == "N":
            number = exact(content)
            integral_digits, scale = measure(number)
            self._integral_digits = max(self._integral_digits, integral_digits)
            self._scale = max(self._scale, scale)
            self._fits_bigint = self._fits_bigint and not scale and -(2**63) <= number < 2**63

    def field(self, name: str, *, has_room: bool) -> "pa.Field[Any]":
        if len(self._kinds) > 1 or not self._kinds.keys() <= _COMPARABLE.keys():
            return pa.field(name, pa.string(), metadata=JSON_TEXT)
        return pa.field(name, self._type_of(next(iter(self._kinds), "S"), has_room=has_room))

    def key_type(self, event: pa.DataType | None) -> pa.DataType:
        kinds = [kind for kind in _COMPARABLE if kind in self._kinds]
        if kinds == ["N"] and event == pa.string() and not self._fits_bigint:
            # A text is compared with whole numbers of 64 bits, and with the text of all others.
            return pa.string()
        if len(kinds) > 1 and event is not None:
            wanted = event if event in _COMPARABLE.values() else pa.int64() if _is_number(event) else None
            texts = ["S"] if "S" in kinds and pa.types.is_integer(event) else []
            kinds = [kind for kind in kinds if _COMPARABLE[kind] == wanted] or texts or kinds
            if event == pa.string():
                return event
        return self._type_of(max(kinds, key=lambda kind: self._kinds[kind], default="S"), has_room=False)

    def _type_of(self, kind: str, *, has_room: bool) -> pa.DataType:
        if kind != "N":
            return _COMPARABLE[kind]
        if self._fits_bigint and not has_room:
            return pa.int64()
        if self._integral_digits + self._scale > _DIGITS:
            return pa.string()
        # Room for a whole number that becomes a fraction, and for more decimals: types stay once they are inferred.
        room = min(_SCALE, _DIGITS - self._integral_digits) if self._scale or has_room else 0
        return pa.decimal128(_DIGITS, max(self._scale, room))


def _is_number(data_type: pa.DataType) -> bool:
    return pa.types.is_integer(data_type) or pa.types.is_floating(data_type) or pa.types.is_decimal(data_type)
