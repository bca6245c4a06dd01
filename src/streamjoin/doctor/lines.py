"""Findings as lines of text, and what they come to."""

from collections import Counter
from typing import Final, TypeAlias

from streamjoin.doctor.checks import Check
from streamjoin.doctor.finding import Finding, Status

MARKS: Final = {Status.GOOD: "✓", Status.BAD: "✗", Status.UNKNOWN: "–"}  # noqa: RUF001  (what cannot be told)

Line: TypeAlias = tuple[Check, Finding]


def plain_lines(lines: list[Line]) -> list[str]:
    """Return a line for each finding, its remedy behind an arrow, for what isn't a terminal."""
    return [
        f"{MARKS[each.status]} {'' if check.name == each.what else f'{check.name}: '}{each.what}: {each.found}"
        + (f" -> {each.remedy}" if each.remedy else "")
        for check, each in lines
    ]


def summary(counts: Counter[Status]) -> str:
    """Return what it comes to, in a line."""
    told = [f"{counts[Status.GOOD]} good"]
    if counts[Status.BAD]:
        told.append(f"{counts[Status.BAD]} to mend")
    if counts[Status.UNKNOWN]:
        told.append(f"{counts[Status.UNKNOWN]} can't be checked here")
    return ", ".join(told)
