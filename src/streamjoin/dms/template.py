"""Text with `${column}` in it, as attribute mappings have it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from streamjoin.dms.rejected import RowRejected, RowRejectReason
from streamjoin.dms.source_table import Value

_COLUMN: Final = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Template:
    """A text in which columns of the row are put.

    A NULL adds nothing to the text. If all columns are NULL there is no text at all: DMS ignores NULL of the source.

    Args:
        parts: Text and, at odd places, the names of columns.
    """

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a template.

        Raises:
            ValueError: A `${` has no name or no end.
        """
        parts = tuple(_COLUMN.split(text))
        if any("${" in part for part in parts[::2]):
            found = f"'{text}' has a '${{' without its '}}'"
            raise ValueError(found)
        if any(not name for name in parts[1::2]):
            found = f"'{text}' has '${{}}' without the name of a column"
            raise ValueError(found)
        return cls(parts)

    @classmethod
    def of_column(cls, name: str) -> "Template":
        """Return the template that is this column alone."""
        return cls(("", name, ""))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it takes."""
        return self.parts[1::2]

    @property
    def sole_column(self) -> str | None:
        """The column that it is, without any text around it; None if it is more than that."""
        return self.parts[1] if len(self.parts) == 3 and not self.parts[0] and not self.parts[2] else None

    def value(self, row: Mapping[str, Value], name: str) -> Value:
        """Return the column's own value if the template is a column alone, else the text; None if all are NULL.

        Args:
            row: The row, with all columns that the template takes.
            name: The attribute that it is for, for messages.
        """
        if len(self.parts) == 3 and not self.parts[0] and not self.parts[2]:
            return row[self.parts[1]]
        values = [row[column] for column in self.columns]
        if values and all(value is None for value in values):
            return None
        texts = ["" if value is None else text_of(value, name) for value in values]
        return "".join(part for pair in zip(self.parts[::2], [*texts, ""], strict=True) for part in pair)


def text_of(value: int | float | Decimal | str | bytes, name: str) -> str:
    """Return a value as text: a decimal with the digits of its column, a float with as few as tell it from all others.

    Raises:
        RowRejected: Binary is no text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        problem = f"attribute '{name}' is text, and its column is binary; use attribute-sub-type binary"
        raise RowRejected(RowRejectReason.NOT_TEXT, problem)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, int) else repr(value).removesuffix(".0")
