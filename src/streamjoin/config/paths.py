"""Paths of one configuration that must lie beside each other."""

from os.path import abspath
from typing import Final, Literal

TEMPLATE_MARK: Final = "{table}"
"""Stands for the name of a DynamoDB table, in the paths and names of a template."""


def overlap(path: str, other: str) -> Literal["equal to", "inside of", "around"] | None:
    """Return how `path` lies to `other`, however they are written; None: beside it."""
    ours, theirs = _parts(path), _parts(other)
    shorter = min(len(ours), len(theirs))
    if ours[:shorter] != theirs[:shorter]:
        return None
    if len(ours) == len(theirs):
        return "equal to"
    return "inside of" if len(ours) > shorter else "around"


def _parts(path: str) -> list[str]:
    if not path.startswith("s3://"):
        path = abspath(path.removeprefix("file:").replace("///", "/", 1) or "/")
    return [part for part in path.split("/") if part]
