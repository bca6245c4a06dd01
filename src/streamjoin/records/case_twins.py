"""Columns without a value, and attributes that may be why: their names differ from the columns' by case alone."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa


class CaseTwins:
    """Attributes of objects that no column is called like but for upper and lower case.

    Each object costs a look-up of its attributes' names, all together: most objects have those of the one before.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[str, frozenset[str], set[tuple[str, ...]]]] = []

    def noting(self, path: str, columns: Iterable[str]) -> Callable[[tuple[str, ...]], None]:
        """Return what takes note of the attributes' names of an object.

        Args:
            path: Where such objects are: nothing, or `address.`, `items[].`, `prices{}.`.
            columns: The columns that are made of them.
        """
        seen = set[tuple[str, ...]]()
        self._seen.append((path, frozenset(columns), seen))
        return seen.add

    def take(self) -> dict[str, str]:
        """Return the attribute of each column that has one, both with their path, and forget them."""
        found = dict[str, str]()
        for path, columns, seen in self._seen:
            folded = {column.lower(): column for column in columns}
            for name in sorted({name for names in seen for name in names} - columns):
                if name.lower() in folded:
                    found[path + folded[name.lower()]] = path + name
            seen.clear()
        return found


def columns_in(events: Any) -> Iterator[tuple[str, bool]]:
    """Yield the path of each column, and of each field of a struct within one, and whether it has no value at all.

    What is within a column is left out if that has no value.

    Args:
        events: The columns, as an array of Arrow's structs.
    """
    yield from _fields_in(events, "")


def _fields_in(values: Any, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(values.type, pa.MapType):
        yield from _fields_in(values.items, f"{path}{{}}")
    elif isinstance(values.type, pa.ListType):
        yield from _fields_in(values.flatten(), f"{path}[]")
    elif isinstance(values.type, pa.StructType):
        # Flattened, fields of a struct that is null are null.
        for field, inner in zip(values.type, values.flatten(), strict=True):
            name = f"{path}.{field.name}" if path else field.name
            is_empty = inner.null_count == len(inner)
            yield name, is_empty
            if not is_empty:
                yield from _fields_in(inner, name)
