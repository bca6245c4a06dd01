"""Where the capture of tables begins that were, or are being, filled by a backfill."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamjoin.capture.backfill_note import noted_us


@dataclass(frozen=True)
class NotedMoment:
    """What the backfills of a job's tables have noted.

    Args:
        us: The oldest of their moments, in microseconds since 1970: changes from then on may be missing in the rows.
        is_of_all: Whether every table has one, so that nothing older is wanted either.
    """

    us: int
    is_of_all: bool


def noted_moment(base_paths: Iterable[str], *, has_template: bool) -> NotedMoment | None:
    """Return from when on changes must be captured; None where no backfill was begun.

    Args:
        base_paths: Where tables of the job are, or will be.
        has_template: Whether there may be others, that nobody has filled.

    Raises:
        SinkError: A note can't be read.
    """
    found = [noted_us(path) for path in base_paths]
    noted = [us for us in found if us is not None]
    if not noted:
        return None
    return NotedMoment(min(noted), is_of_all=len(noted) == len(found) and not has_template)
