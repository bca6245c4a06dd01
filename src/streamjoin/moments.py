"""Points in time, from wherever they come."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

# From these magnitudes on an epoch number is in ms, and in microseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
FIRST_EPOCH_MS: Final = 10**11
FIRST_EPOCH_US: Final = 10**14

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What `fromisoformat` also takes, although no value means it: 20190703, and a week.
_ISO_START: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is in UTC already.

    Raises:
        OverflowError: Its zone takes it beyond the years that a datetime has.
    """
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def epoch_us(number: int | Decimal) -> int:
    """Return the microseconds since 1970 of an epoch number in s, ms or microseconds, told apart by its magnitude."""
    size = number if number >= 0 else -number
    factor = 1 if size >= FIRST_EPOCH_US else 10**3 if size >= FIRST_EPOCH_MS else 10**6
    # Not the product of decimals: that has 28 digits.
    return number * factor if isinstance(number, int) else int(Fraction(number) * factor)


def iso_us(text: str) -> int | None:
    """Return the microseconds since 1970 of a date or time in ISO 8601, in UTC if it names no zone; else None."""
    text = text.strip()
    if not _ISO_START.match(text):
        return None
    try:
        return (in_utc(datetime.fromisoformat(text)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
