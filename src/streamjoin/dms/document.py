"""What makes an attribute of a row: DynamoDB's own JSON, with templates for its values.

All forms build `{type: value}` of a row, or None if the row has nothing but NULL for it: DMS ignores NULL.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from streamjoin.dms.number import exact, number_text
from streamjoin.dms.rejected import RowRejected, RowRejectReason
from streamjoin.dms.source_table import ColumnKind, Value
from streamjoin.dms.template import Template, text_of

Row: TypeAlias = Mapping[str, Value]
AttributeValue: TypeAlias = dict[str, Any]

_BOOLEANS: Final = {"0": False, "1": True, "false": False, "true": True}


class Document(Protocol):
    """What makes an attribute."""

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the attribute's value; `name` is the attribute's, for messages.

        Raises:
            RowRejected: DynamoDB has no form for what is in the row.
        """

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield each template, with the type that is made of it."""


@dataclass(frozen=True)
class Scalar:
    """One value of type S, N, B or BOOL.

    Args:
        type: DynamoDB's.
        template: What it is made of.
        bounds: The least and the greatest whole number that it may be, for a column that was made an integer.
    """

    type: str
    template: Template
    bounds: tuple[int, int] | None = None

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the value."""
        value = self.template.value(row, name)
        if value is None:
            return None
        if self.type == "S":
            return {"S": value if isinstance(value, str) else text_of(value, name)}
        if self.type == "N":
            return {"N": self._number(value, name)}
        if self.type == "B":
            return {"B": value if isinstance(value, bytes) else text_of(value, name).encode()}
        return {"BOOL": _boolean(value, name)}

    def _number(self, value: int | float | Any, name: str) -> str:
        text = number_text(value if not isinstance(value, bytes) else text_of(value, name), name)
        if self.bounds is not None:
            number = exact(text, name)
            least, greatest = self.bounds
            if number != number.to_integral_value() or not least <= number <= greatest:
                problem = (
                    f"attribute '{name}' was made a whole number from {least} to {greatest}, and the column is none"
                )
                raise RowRejected(RowRejectReason.NUMBER_OUT_OF_RANGE, problem)
        return text

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield the one template."""
        yield self.type, self.template


@dataclass(frozen=True)
class Constant:
    """A value that no row changes: a boolean, or DynamoDB's NULL."""

    attribute: Mapping[str, bool]

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the value."""
        return dict(self.attribute)

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield nothing."""
        yield from ()


@dataclass(frozen=True)
class MapOf:
    """A map; members that are NULL are not in it."""

    members: tuple[tuple[str, Document], ...]

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the map, empty if all members are NULL."""
        built = ((key, member.build(row, f"{name}.{key}")) for key, member in self.members)
        return {"M": {key: value for key, value in built if value is not None}}

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield the templates of all members."""
        for _, member in self.members:
            yield from member.templates()


@dataclass(frozen=True)
class ListOf:
    """A list; members that are NULL are not in it."""

    members: tuple[Document, ...]

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the list, empty if all members are NULL."""
        built = (member.build(row, f"{name}[{index}]") for index, member in enumerate(self.members))
        return {"L": [value for value in built if value is not None]}

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield the templates of all members."""
        for member in self.members:
            yield from member.templates()


@dataclass(frozen=True)
class SetOf:
    """A set of type SS, NS or BS: equal members are one, in the order of the mapping; DynamoDB has no empty one."""

    type: str
    members: tuple[Scalar, ...]

    def build(self, row: Row, name: str) -> AttributeValue | None:
        """Return the set, None if all members are NULL."""
        built = [member.build(row, name) for member in self.members]
        values = list(dict.fromkeys(value[self.type[0]] for value in built if value is not None))
        return {self.type: values} if values else None

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Yield the template of each member."""
        for member in self.members:
            yield from member.templates()


def _boolean(value: int | float | Any, name: str) -> bool:
    found = _BOOLEANS.get(text_of(value, name).lower())
    if found is None:
        problem = f"attribute '{name}' is a boolean, and the text for it is none of 0, 1, true, false"
        raise RowRejected(RowRejectReason.NOT_A_BOOLEAN, problem)
    return found


def misfits(document: Document, kinds: Mapping[str, ColumnKind]) -> Iterator[str]:
    """Yield why an attribute can't be made of columns of these kinds, a line each."""
    for made, template in document.templates():
        for column in template.columns:
            binary = kinds.get(column) is ColumnKind.BINARY
            if binary and (made != "B" or template.sole_column is None):
                yield (
                    f"column '{column}' is binary, which becomes binary alone: attribute-sub-type binary (or type B) "
                    f"with the value '${{{column}}}' and no text around it"
                )
