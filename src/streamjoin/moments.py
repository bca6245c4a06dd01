"""Points in time, from wherever they come."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

# From these magnitudes on an epoch number is in ms, and in microseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
FIRST_EPOCH_MS: Final = 10**11
FIRST_EPOCH_US: Final = 10**14

ISO_FORM: Final = (
    r"[ \t\r\n]*([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?)?(?: ?(Z|UTC|[+-][0-9]{2}(?::?[0-5][0-9])?))?)?"
    r"[ \t\r\n]*"
)
"""The text of a date or time, the same for Python and for Java, whose Spark reads what matches as `iso_moment` does.

Groups: the day; the time to the minute, the second, its fraction without what is beyond microseconds; the zone.
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# No zone is further from UTC, and Java takes none that is.
_LARGEST_OFFSET: Final = timedelta(hours=18)
FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The first microsecond of the year 1, since 1970."""
LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The last one of the year 9999."""

_ISO: Final = re.compile(ISO_FORM)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


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


def iso_moment(text: str) -> datetime | None:
    """Return a date or time in ISO 8601, in UTC if it names no zone; None: it is none, or not of the years 1 to 9999.

    What is beyond microseconds is cut.
    """
    try:
        # Nearly all: of this shape Python takes no form that isn't one of ours, and cuts as we do.
        if text[-1:] == "Z" and text[4:17:3] == "--T::" and (len(text) == 20 or _is_fraction(text[19:-1])):
            return datetime.fromisoformat(text)
        found = _ISO.fullmatch(text)
        if found is None:
            return None
        day, minute, second, fraction, zone = found.groups("")
        zone = "Z" if zone == "UTC" else zone
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}.{fraction:0<6}{zone}")
        return None if abs(moment.utcoffset() or _MICROSECOND) > _LARGEST_OFFSET else in_utc(moment)
    except (ValueError, OverflowError):
        return None


def iso_us(text: str) -> int | None:
    """Return the same as microseconds since 1970."""
    found = iso_moment(text)
    return None if found is None else (found - _EPOCH) // _MICROSECOND


def iso_date(text: str) -> date | None:
    """Return a date in ISO 8601; None if the text is none."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _is_fraction(text: str) -> bool:
    # Python's own parser passes over anything beyond microseconds.
    return text[:1] == "." and text[1:].isdigit() and text.isascii()
