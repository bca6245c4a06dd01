"""The columns of one stage of the data path, as far as they are known before the job runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from streamjoin.config.values import did_you_mean
from streamjoin.schema.ddl import TIMESTAMP, type_text

TIME_TYPES: Final = {pa.string(), pa.date32(), TIMESTAMP, pa.int64(), pa.int32()}
"""Types of columns that a time can be read from."""

_NAMES_SHOWN: Final = 20


@dataclass(frozen=True)
class Column:
    """A column at some stage.

    Args:
        name: Its name.
        type: Its type; None if that is only known when the job runs.
        origin: What it is of, in words.
        key: The key that makes it.
        is_new: Whether `output.derive` makes it without replacing one.
    """

    name: str
    type: pa.DataType | None
    origin: str
    key: str
    is_new: bool = False

    @property
    def is_nested(self) -> bool:
        """Whether it is known to be an array, a map or a struct."""
        return self.type is not None and pa.types.is_nested(self.type)

    @property
    def kind(self) -> str:
        """The name of its type, for messages; of one that is known."""
        return "" if self.type is None else type_text(self.type)


class Columns:
    """The columns of one stage. `complete` is false if there may be others, so that a missing one is no problem.

    Args:
        later: Names that no stage here has, whatever its others are, and the key that adds each to finished rows.
    """

    def __init__(self, later: Mapping[str, str] | None = None) -> None:
        self._by_name: dict[str, Column] = {}
        self._later = {name.lower(): key for name, key in (later or {}).items()}
        self.complete = True

    def __iter__(self) -> Iterator[Column]:
        """Go through the columns in order."""
        return iter(list(self._by_name.values()))

    def add(self, column: Column) -> None:
        """Add a column, or replace the one of its name."""
        self._by_name[column.name.lower()] = column

    def remove(self, name: str) -> None:
        """Take a column away."""
        self._by_name.pop(name.lower(), None)

    def like(self, name: str) -> Column | None:
        """Return the column of this name, upper and lower case being one, as they are to Spark and catalogs."""
        return self._by_name.get(name.lower())

    def get(self, name: str) -> Column | None:
        """Return the column of exactly this name."""
        found = self.like(name)
        return found if found and found.name == name else None

    def missing(self, name: str) -> str | None:
        """Return how to go on when there is no column `name`; None when there is, or may be."""
        added_by = self._later.get(name.lower())
        if self.get(name) or (not self.complete and not self.like(name) and not added_by):
            return None
        if added_by and not self.like(name):
            return f"{added_by} adds it to the finished row; name another column"
        names = [column.name for column in self._by_name.values()]
        rest = ", …" if len(names) > _NAMES_SHOWN else ""
        return f"{did_you_mean(name, names)}allowed: {', '.join(names[:_NAMES_SHOWN])}{rest}"
