"""Points in time, from wherever they come."""

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is in UTC already.

    Raises:
        OverflowError: Its zone takes it beyond the years that a datetime has.
    """
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
