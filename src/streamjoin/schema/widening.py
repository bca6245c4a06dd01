"""Which type holds all values of another, so that a column may get it and keep what it has."""

from typing import Final

import pyarrow as pa

INTEGER_DIGITS: Final[dict[pa.DataType, int]] = {pa.int8(): 3, pa.int16(): 5, pa.int32(): 10, pa.int64(): 19}

# Integers that a float of either kind holds exactly: 24 and 53 bits.
_EXACT: Final[dict[pa.DataType, tuple[pa.DataType, ...]]] = {
    pa.float32(): (pa.int8(), pa.int16()),
    pa.float64(): (pa.int8(), pa.int16(), pa.int32(), pa.float32()),
}


def as_stored(columns: pa.Schema) -> pa.Schema:
    """Return columns with the types that a table has of them: Avro has no whole numbers of less than 32 bits."""
    return pa.schema([each.with_type(_stored(each.type)) for each in columns])


def _stored(data_type: pa.DataType) -> pa.DataType:
    match data_type:
        case pa.ListType():
            return pa.list_(_stored(data_type.value_type))
        case pa.MapType():
            return pa.map_(data_type.key_type, _stored(data_type.item_type))
        case pa.StructType():
            return pa.struct([each.with_type(_stored(each.type)) for each in data_type])
    return pa.int32() if data_type in (pa.int8(), pa.int16()) else data_type


def is_number(data_type: pa.DataType) -> bool:
    """Return whether it is of whole numbers, or a decimal."""
    return data_type in INTEGER_DIGITS or isinstance(data_type, pa.Decimal128Type)


def digits(number: pa.DataType) -> tuple[int, int]:
    """Return how many digits such a type has before and after the point."""
    if isinstance(number, pa.Decimal128Type):
        return number.precision - number.scale, number.scale
    return INTEGER_DIGITS[number], 0


def holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Return whether `wide` has every value of `narrow`, also in what is nested; fields of structs stay as they are."""
    match wide, narrow:
        case pa.ListType(), pa.ListType():
            return holds(wide.value_type, narrow.value_type)
        case pa.MapType(), pa.MapType():
            return wide.key_type == narrow.key_type and holds(wide.item_type, narrow.item_type)
        case pa.StructType(), pa.StructType():
            names = [[field.name for field in each] for each in (wide, narrow)]
            return names[0] == names[1] and all(holds(w.type, n.type) for w, n in zip(wide, narrow, strict=True))
    return wide == narrow or _holds_number(wide, narrow)


def _holds_number(wide: pa.DataType, narrow: pa.DataType) -> bool:
    if wide in _EXACT:
        return narrow in _EXACT[wide]
    if not is_number(wide) or not is_number(narrow):
        return False
    if isinstance(narrow, pa.Decimal128Type) and wide in INTEGER_DIGITS:
        return False
    return all(more >= less for more, less in zip(digits(wide), digits(narrow), strict=True))
