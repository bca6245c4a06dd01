"""Lists, in the parts that one call of the catalog takes."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from streamjoin.progress import Tell, tell_nobody

_T = TypeVar("_T")


def parts(all_of: Sequence[_T], size: int, tell: Tell = tell_nobody) -> Iterator[list[_T]]:
    """Yield the parts; once one has been dealt with, tell how far that is."""
    for at in range(0, len(all_of), size):
        yield list(all_of[at : at + size])
        tell(min(at + size, len(all_of)), len(all_of), "partitions")
