"""Schemas of every type at every depth, and values of them: what a payload has, and what a row must have of it."""

import base64
import string
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context
from random import Random
from typing import Any

import msgspec
import pyarrow as pa

from streamjoin.schema.ddl import TIMESTAMP

# Each is a name that Hudi can have, and looks like something else in SQL, Avro or JSON.
ODD_NAMES = ("select", "order", "null", "_", "__x", "value", "element", "key", "a1", "Mixed_Case", "array", "x" * 100)
TEXTS = ("", " ", "null", "é\u00a0\U0001f600", '"quoted"', "a\tb\nc", "\x00", "..", "x" * 3000, "{}", "2026-01-31")
DATES = (date.min, date(1582, 10, 4), date(1582, 10, 15), date(1900, 1, 1), date(1970, 1, 1), date.max)
_EXACT = Context(prec=40)
SIMPLE: tuple[pa.DataType, ...] = (
    *(pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
    *(pa.date32(), TIMESTAMP, pa.binary(), pa.decimal128(38, 0), pa.decimal128(38, 38), pa.decimal128(5, 2)),
)


class MisfitError(Exception):
    """The value drawn is none of its type."""


@dataclass(frozen=True)
class Draw:
    """Draws schemas and values.

    Args:
        random: Decides.
        nested_times: Whether a time may be inside another value.
    """

    random: Random
    nested_times: bool = True

    def schema(self, count: int) -> pa.Schema:
        """Return so many columns after `id`; the first ones have each simple type."""
        names = self._names(count)
        types = [*SIMPLE, *(self.type_of(3) for _ in range(count))][:count]
        return pa.schema([pa.field("id", pa.string()), *map(pa.field, names, types)])

    def type_of(self, depth: int) -> pa.DataType:
        """Return a type that is nested at most so deep."""
        kind = self.random.randrange(6) if depth else 0
        if kind <= 1:
            return self.random.choice([each for each in SIMPLE if self.nested_times or each != TIMESTAMP])
        if kind <= 3:
            return pa.list_(self.type_of(depth - 1))
        if kind == 4:
            return pa.map_(pa.string(), self.type_of(depth - 1))
        return pa.struct([pa.field(name, self.type_of(depth - 1)) for name in self._names(self.random.randrange(1, 4))])

    def record(self, key: str, schema: pa.Schema) -> tuple[bytes, dict[str, Any] | None]:
        """Return a payload, and the values that a row has of it; None: there is no such row."""
        document, row, is_row = {"id": key}, {"id": key}, True
        for field in list(schema)[1:]:
            try:
                found, value = self.value(field.type)
            except MisfitError:
                found = [7] if isinstance(field.type, pa.MapType | pa.StructType) else {"no": 7}
                is_row = is_row and pa.types.is_string(field.type)
                value = msgspec.json.encode(found).decode()
            if found is not None or self.random.random() < 0.5:
                document[field.name] = found
            row[field.name] = value
        return msgspec.json.encode(document), row if is_row else None

    def value(self, data_type: pa.DataType) -> tuple[Any, Any]:
        """Return what JSON has, and what the row has.

        Raises:
            MisfitError: Once in a while, and only at the top.
        """
        if self.random.random() < 0.002:
            raise MisfitError
        return self._value(data_type)

    def _value(self, data_type: pa.DataType) -> tuple[Any, Any]:
        if self.random.random() < 0.15:
            return None, None
        if isinstance(data_type, pa.ListType):
            found = [self._value(data_type.value_type) for _ in range(self.random.randrange(4))]
            return [each[0] for each in found], [each[1] for each in found]
        if isinstance(data_type, pa.MapType):
            keys = self.random.sample(TEXTS, self.random.randrange(4))
            pairs = [(key, self._value(data_type.item_type)) for key in keys]
            return {key: each[0] for key, each in pairs}, {key: each[1] for key, each in pairs}
        if isinstance(data_type, pa.StructType):
            fields = {field.name: self._value(field.type) for field in data_type}
            present = {name: each[0] for name, each in fields.items() if each[0] is not None}
            return present, {name: each[1] for name, each in fields.items()}
        return self._simple(data_type)

    def _simple(self, data_type: pa.DataType) -> tuple[Any, Any]:  # noqa: PLR0911  (one a type)
        choose = self.random.choice
        if pa.types.is_string(data_type):
            text = choose(TEXTS)
            return text, text
        if pa.types.is_boolean(data_type):
            value = choose([True, False])
            return value, value
        if pa.types.is_integer(data_type):
            most = 2 ** (data_type.bit_width - 1) - 1
            number = choose([0, 1, -1, most, -most - 1, self.random.randint(-most, most)])
            return number, number
        if pa.types.is_floating(data_type):
            number = choose([0.0, -0.0, 0.5, -1.25, 1e30, 2.0**-126, 3.0])
            return number, pa.scalar(number, data_type).as_py()
        if isinstance(data_type, pa.Decimal128Type):
            return self._decimal(data_type)
        if pa.types.is_date(data_type):
            day = self._date()
            return day.isoformat(), day
        if pa.types.is_timestamp(data_type):
            day = self._date()
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
                hours=self.random.randrange(24), microseconds=choose([0, 1, 999_999])
            )
            return moment.isoformat(), moment
        content = bytes(self.random.randrange(256) for _ in range(self.random.randrange(5)))
        return base64.b64encode(content).decode(), content

    def _decimal(self, data_type: pa.Decimal128Type) -> tuple[Any, Any]:
        largest = 10**data_type.precision - 1
        text = f"{self.random.choice([0, 1, -1, largest, -largest])}e-{data_type.scale}"
        return msgspec.Raw(text.encode()), _EXACT.create_decimal(text)

    def _date(self) -> date:
        return self.random.choice(DATES)

    def _names(self, count: int) -> list[str]:
        odd = self.random.sample(ODD_NAMES, min(count, len(ODD_NAMES)))
        made = ["".join(self.random.choices(string.ascii_lowercase, k=6)) + str(n) for n in range(count)]
        return [*odd[: count // 3], *made][:count]


def sorted_rows(table: pa.Table, schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return a table's rows by their `id`, with the columns of `schema`."""
    return {row["id"]: row for row in table.select(schema.names).to_pylist(maps_as_pydicts="strict")}


def any_records(draw: Draw, schema: pa.Schema, count: int) -> tuple[list[bytes], dict[str, dict[str, Any]]]:
    """Return payloads, and the rows that must come of them by their `id`; all others are to be rejected."""
    made: list[tuple[bytes, dict[str, Any] | None]] = [draw.record(f"k{n}", schema) for n in range(count)]
    return [payload for payload, _ in made], {row["id"]: row for _, row in made if row is not None}
