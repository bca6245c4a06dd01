"""`undeclared: evolve`: which columns a batch's changes need, and how a table's types grow so that they fit.

A type only ever grows: int < bigint < decimal(38, s), and a decimal by digits before or after the point as long as 38
are enough. What needs another type than its column has doesn't change the column: those values become dead letters.
So the schema depends on what comes first, but no value is ever rounded, cut, or turned into text by what comes later.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import functions as F

from streamjoin.capture.changes.read import unpack_images
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.dynamodb.attribute_types import Value, exact, measure
from streamjoin.dynamodb.service import Item
from streamjoin.records.change_columns import CHANGE, OPERATION, REMOVE
from streamjoin.records.events import REASON_COLUMN, Events
from streamjoin.schema.ddl import parse_schema
from streamjoin.schema.names import STORABLE_NAME
from streamjoin.schema.widening import INTEGER_DIGITS, digits, is_number
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

_DIGITS: Final = 38
# Room for the next price with more decimals: Spark's own default.
_ROOMY_SCALE: Final = 18
_SMALL: Final = re.compile(r"-?[0-9]{1,18}")
_NEEDS: Final = parse_schema(
    "attribute string, kinds array<string>, integral_digits int, scale int, is_long boolean, lowest bigint, "
    "highest bigint"
)


@dataclass
class TypeNeed:
    """What a type must hold to take all of an attribute's values that were seen.

    Args:
        kinds: DynamoDB's types among them, without NULL.
        integral_digits: The most digits before the point of a number.
        scale: The most digits after it.
        is_long: Whether all numbers are integers of 64 bits.
        lowest: The least of them, or 0.
        highest: The greatest of them, or 0.
    """

    kinds: set[str] = field(default_factory=set)
    integral_digits: int = 0
    scale: int = 0
    is_long: bool = True
    lowest: int = 0
    highest: int = 0

    def add(self, value: Value) -> None:
        """Take one more value into account."""
        for kind, content in value.items():
            if kind == "NULL":
                continue
            self.kinds.add(kind)
            if kind == "N":
                self._add_number(content)

    def _add_number(self, text: str) -> None:
        if _SMALL.fullmatch(text):
            self.integral_digits = max(self.integral_digits, len(text.lstrip("-")))
            self._add_long(int(text))
            return
        number = exact(text)
        integral_digits, scale = measure(number)
        self.integral_digits = max(self.integral_digits, integral_digits)
        self.scale = max(self.scale, scale)
        if scale or not -(2**63) <= number < 2**63:
            self.is_long = False
        else:
            self._add_long(int(number))

    def _add_long(self, number: int) -> None:
        self.lowest = min(self.lowest, number)
        self.highest = max(self.highest, number)

    def merge(self, other: "TypeNeed") -> None:
        """Take all values into account that `other` did."""
        self.kinds |= other.kinds
        self.integral_digits = max(self.integral_digits, other.integral_digits)
        self.scale = max(self.scale, other.scale)
        self.is_long = self.is_long and other.is_long
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def type_beside(self, there: pa.DataType | None) -> pa.DataType | None:
        """Return the narrowest type that holds the values; None if there was no value but nulls.

        A string takes S and N as they are, and what is nested or a set as JSON text.

        Args:
            there: The type of the column, if there is one already. Of one of numbers, only numbers can change it.
        """
        has_numbers = there is not None and is_number(there)
        if self.kinds == {"N"} or (has_numbers and "N" in self.kinds):
            return self._number(there if has_numbers else None)
        if self.kinds == {"BOOL"}:
            return pa.bool_()
        if self.kinds == {"B"}:
            return pa.binary()
        return pa.string() if self.kinds else None

    def _number(self, there: pa.DataType | None) -> pa.DataType:
        if self.is_long and not isinstance(there, pa.Decimal128Type):
            if there is None:
                return pa.int64()
            bits = there.bit_width
            return there if -(2**bits) <= 2 * self.lowest and 2 * self.highest < 2**bits else pa.int64()
        digits = self.integral_digits + self.scale
        return pa.decimal128(max(digits, 1), self.scale) if digits <= _DIGITS else pa.string()


def found_columns(changes: Events, layout: ChangeLayout) -> pa.Schema:
    """Return the columns that the values of a batch's changes need, by their attributes' names, sorted.

    Columns in: those of `read_changes`, of one table.

    They are those that the layout doesn't have and could have, each with the narrowest type that holds its values
    exactly (`widened` gives it room), and those of its numbers that are too narrow for a value. Left out are attributes
    that can have no column: dropped ones, those called like another column (upper and lower case count as one; of two
    new ones the first by name gets it), and those whose name Hudi can't store. Their values stay in `_attributes`, or
    in a changelog's images.

    Args:
        changes: The changes of a batch.
        layout: With the columns found so far, as `columns_in_table` and `widened` give them.
    """
    kept = changes.frame.where(F.col(REASON_COLUMN).isNull()).select(OPERATION, CHANGE)
    is_current = layout.is_current

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield _to_arrow(needs_of(_items(batches, is_current)))

    needs: dict[str, TypeNeed] = {}
    for row in map_batches(kept, find, to_spark(_NEEDS)).collect():
        found = row.asDict()
        needs.setdefault(found.pop("attribute"), TypeNeed()).merge(TypeNeed(set(found.pop("kinds")), **found))
    return needed_columns(needs, layout)


def needed_columns(needs: dict[str, TypeNeed], layout: ChangeLayout) -> pa.Schema:
    """Return the columns that `needs` ask for, as `found_columns` does."""
    known = layout.value_fields
    texts = layout.key_texts
    names = {each.name.lower() for each in known.values()}
    fields = []
    for attribute in sorted(needs):
        needed = needs[attribute].type_beside(known[attribute].type if attribute in known else None)
        if needed is None or attribute in layout.drop or attribute in texts:
            continue
        if attribute in known:
            if _grown(known[attribute].type, needed) not in (None, known[attribute].type):
                fields.append(pa.field(attribute, needed))
            continue
        column = layout.column_of(attribute)
        if column.lower() not in names and STORABLE_NAME.fullmatch(column) and layout.is_free(column):
            names.add(column.lower())
            fields.append(pa.field(attribute, needed))
    return pa.schema(fields)


def widened(columns: pa.Schema, found: pa.Schema) -> pa.Schema:
    """Return `columns` with the types that `found` asks for, and its new columns behind them.

    A column whose type can't grow to hold what was found stays as it was. A new column of numbers with a fraction gets
    up to 18 digits behind the point.
    """
    asked = {each.name: each.type for each in found}
    taken = {each.name.lower() for each in columns}
    grown = [
        each.with_type(_grown(each.type, asked[each.name]) or each.type) if each.name in asked else each
        for each in columns
    ]
    new = [pa.field(each.name, _roomy(each.type)) for each in found if each.name.lower() not in taken]
    return pa.schema([*grown, *new])


def columns_in_table(layout: ChangeLayout, table: pa.Schema) -> pa.Schema:
    """Return the attributes that a table has columns of: those of the layout as they have grown, and the evolved ones.

    Args:
        layout: As it is configured.
        table: The table's columns, without Hudi's own.
    """
    there = {each.name: each.type for each in table}
    declared = [
        each.with_type(_grown(there.get(layout.column_of(each.name), each.type), each.type) or each.type)
        for each in layout.columns
    ]
    own = {name.lower() for name in layout.row_schema.names}
    evolved = [pa.field(layout.attribute_of(each.name), each.type) for each in table if each.name.lower() not in own]
    return pa.schema([*declared, *(evolved if layout.undeclared == "evolve" else [])])


def _grown(there: pa.DataType, needed: pa.DataType) -> pa.DataType | None:
    """Return the narrowest type that holds all of `there` and what is needed; None if there is none."""
    if there == needed or (there == pa.string() and needed != pa.binary()):
        return there
    if there in INTEGER_DIGITS and needed in INTEGER_DIGITS:
        return max(there, needed, key=lambda each: INTEGER_DIGITS[each])
    if is_number(there) and is_number(needed):
        (integral, scale), (more, more_scale) = digits(there), digits(needed)
        if more <= integral and more_scale <= scale and isinstance(there, pa.Decimal128Type):
            return there
        return _decimal(max(integral, more), max(scale, more_scale))
    return None


def _decimal(integral_digits: int, scale: int) -> pa.DataType | None:
    """Return a decimal of 38 digits with room behind the point, if it has a fraction at all."""
    if integral_digits + scale > _DIGITS:
        return None
    room = min(_ROOMY_SCALE, _DIGITS - integral_digits) if scale else 0
    return pa.decimal128(_DIGITS, max(scale, room))


def _roomy(needed: pa.DataType) -> pa.DataType:
    return (_decimal(*digits(needed)) or needed) if isinstance(needed, pa.Decimal128Type) else needed


def _items(batches: Iterable[pa.RecordBatch], is_current: bool) -> Iterator[Item]:
    """Yield the items whose values become columns."""
    for batch in batches:
        for operation, packed in zip(batch.column(OPERATION).to_pylist(), batch.column(CHANGE), strict=True):
            is_removed = operation == REMOVE
            if not (is_removed and is_current):
                images = unpack_images(packed.as_py())
                yield (images.old_image if is_removed else images.new_image) or images.keys


def needs_of(items: Iterable[Item]) -> dict[str, TypeNeed]:
    """Return what the values of each attribute need."""
    needs: dict[str, TypeNeed] = {}
    for item in items:
        for name, value in item.items():
            need = needs.get(name)
            if need is None:
                need = needs[name] = TypeNeed()
            need.add(value)
    return needs


def _to_arrow(needs: dict[str, TypeNeed]) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [
        {**asdict(each), "attribute": name, "kinds": sorted(each.kinds)} for name, each in needs.items()
    ]
    return pa.RecordBatch.from_pylist(rows, schema=_NEEDS)
