"""Which type holds all values of another, so that a column may get it and keep what it has."""

from typing import Final

import pyarrow as pa

INTEGER_DIGITS: Final[dict[pa.DataType, int]] = {pa.int8(): 3, pa.int16(): 5, pa.int32(): 10, pa.int64(): 19}

# Integers that a float of either kind holds exactly: 24 and 53 bits.
_EXACT: Final[dict[pa.DataType, tuple[pa.DataType, ...]]] = {
    pa.float32(): (pa.int8(), pa.int16()),
    pa.float64(): (pa.int8(), pa.int16(), pa.int32(), pa.float32()),
}


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
