"""Which attributes of an item become which columns of a reference's rows, and whether their types allow it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from streamjoin.dynamodb.attribute_types import converter
from streamjoin.errors import SchemaError
from streamjoin.schema.ddl import type_text


@dataclass(frozen=True)
class Layout:
    """Which attributes become which columns.

    Args:
        columns: Column of the rows -> attribute: the output columns, then the join columns that aren't also output.
        on: Event column -> the column of the rows that it is compared with.
        outputs: The columns that the join adds to an event.
    """

    columns: Mapping[str, str]
    on: Mapping[str, str]
    outputs: tuple[str, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are read, each once."""
        return tuple(dict.fromkeys(self.columns.values()))

    @property
    def join_attributes(self) -> dict[str, str]:
        """Column of the rows -> attribute, of the join key alone."""
        return {column: self.columns[column] for column in dict.fromkeys(self.on.values())}


def lay_out(on: Mapping[str, str], outputs: Mapping[str, str]) -> Layout:
    """Give every column a name of its own.

    A join column has its attribute's name, unless an output column has taken that name for another attribute.

    Args:
        on: Event column -> attribute.
        outputs: Attribute -> output column.
    """
    columns = {column: attribute for attribute, column in outputs.items()}
    join_columns = {}
    for event_column, attribute in on.items():
        name = attribute
        # Spark takes names that differ by case alone as one; DynamoDB doesn't.
        while any(
            each.casefold() == name.casefold() and (each, columns[each]) != (name, attribute) for each in columns
        ):
            name += "_key"
        columns[name] = attribute
        join_columns[event_column] = name
    return Layout(columns=columns, on=join_columns, outputs=tuple(outputs.values()))


def check_types(layout: Layout, types: pa.Schema, name: str) -> None:
    """Check a declared schema against what a reference reads.

    Raises:
        SchemaError: It lacks an attribute, has a type that no item can have, or a join attribute's can't be compared.
    """
    converter(types)
    by_name = {field.name: field.type for field in types}
    missing = [attribute for attribute in layout.attributes if attribute not in by_name]
    if missing:
        message = (
            f"reference '{name}': the schema has no {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, by_name))}. Add to the reference's schema what `on` and `columns` name (attribute "
            "names differ by case)."
        )
        raise SchemaError(message)
    for attribute in layout.join_attributes.values():
        if pa.types.is_nested(by_name[attribute]):
            message = (
                f"reference '{name}': join attribute '{attribute}' is {type_text(by_name[attribute])}, "
                "which can't be compared with an event's column. Join on an attribute of a simple type."
            )
            raise SchemaError(message)
