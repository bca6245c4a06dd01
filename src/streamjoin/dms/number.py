"""Numbers as DynamoDB keeps them: up to 38 significant digits, one text for one number.

One text for one number matters for keys: `1.0` and `1.00` are one item to the service, so they must be one key here.
"""

import re
from decimal import Decimal
from typing import Final

from streamjoin.dms.rejected import RowRejected, RowRejectReason

_MAX_DIGITS: Final = 38
# Source: DynamoDB's Number: magnitudes from 1E-130 to 9.99...E+125.
_MAX_EXPONENT: Final = 125
_MIN_EXPONENT: Final = -130
_SMALLEST_LONG: Final = 10**_MAX_DIGITS
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_LONGEST_TEXT: Final = 1000


def number_text(value: int | float | Decimal | str, name: str) -> str:
    """Return the one text of a number.

    Args:
        value: The number, or text that is one.
        name: The attribute that it is for, for messages.

    Raises:
        RowRejected: It is none, or none that DynamoDB can keep exactly.
    """
    if isinstance(value, int) and -_SMALLEST_LONG < value < _SMALLEST_LONG:
        return str(int(value))
    number = exact(value, name)
    if number and abs(number.adjusted()) < _MAX_DIGITS:
        text = format(number, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if len(text) <= _MAX_DIGITS:
            return text
    return _text(number, name)


def exact(value: int | float | Decimal | str, name: str) -> Decimal:
    """Return the number with all its digits; a float is the shortest decimal that reads back as the same float."""
    if isinstance(value, str) and (len(value) > _LONGEST_TEXT or not _NUMBER.fullmatch(value)):
        problem = f"attribute '{name}' is a number, and the text for it is none"
        raise RowRejected(RowRejectReason.NOT_A_NUMBER, problem)
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite():
        problem = f"attribute '{name}' would be infinite or not a number, which DynamoDB has no form for"
        raise RowRejected(RowRejectReason.NOT_A_NUMBER, problem)
    return number


def _text(number: Decimal, name: str) -> str:
    sign, all_digits, all_exponent = number.as_tuple()
    written = "".join(map(str, all_digits)).lstrip("0")
    digits = written.rstrip("0")
    if not digits:
        return "0"
    if len(digits) > _MAX_DIGITS:
        problem = (
            f"attribute '{name}' has {len(digits)} significant digits, and DynamoDB keeps {_MAX_DIGITS}; make it text: "
            "an attribute mapping with attribute-sub-type string"
        )
        raise RowRejected(RowRejectReason.NUMBER_TOO_PRECISE, problem)
    exponent = int(all_exponent) + len(written) - len(digits)
    magnitude = exponent + len(digits) - 1
    if not _MIN_EXPONENT <= magnitude <= _MAX_EXPONENT:
        problem = (
            f"attribute '{name}' has the magnitude 1E{magnitude:+d}; allowed: 1E{_MIN_EXPONENT} to 1E+{_MAX_EXPONENT}. "
            "Make it text: an attribute mapping with attribute-sub-type string"
        )
        raise RowRejected(RowRejectReason.NUMBER_OUT_OF_RANGE, problem)
    number = Decimal((sign, tuple(map(int, digits)), exponent))
    # Zeros count for boto3, which refuses to read a text of more than 38 digits.
    return format(number, "f") if abs(magnitude) < _MAX_DIGITS else str(number)
