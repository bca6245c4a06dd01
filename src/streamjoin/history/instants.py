"""Instants, as Hudi and the journal name what was written: 17 digits of a time, to the millisecond, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final

_SECONDS: Final = "%Y%m%d%H%M%S"


def instant_of(moment: datetime) -> str:
    """Return the instant of a time in UTC."""
    return f"{moment.strftime(_SECONDS)}{moment.microsecond // 1000:03}"


def moment_of(instant: str) -> datetime:
    """Return the time of an instant; those of early versions of Hudi have no milliseconds."""
    whole = datetime.strptime(instant[:14], _SECONDS).replace(tzinfo=UTC)
    return whole + timedelta(milliseconds=int(instant[14:] or 0))


def after(instant: str) -> str:
    """Return the instant a millisecond later."""
    return instant_of(moment_of(instant) + timedelta(milliseconds=1))
