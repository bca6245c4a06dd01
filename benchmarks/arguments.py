"""What an argument of a benchmark may be."""

import argparse
from collections.abc import Callable, Sequence


def count(text: str, least: int = 0) -> int:
    """Return the number that an argument gives."""
    if not text.isdecimal() or int(text) < least:
        message = f"expected a number from {least} on, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def positive(text: str) -> int:
    """Return the number that an argument gives; 0 is none."""
    return count(text, least=1)


def some_of(allowed: Sequence[str], what: str) -> Callable[[str], list[str]]:
    """Return what reads an argument of one or more of `allowed`, with commas between; `what` one of them is called."""

    def parse(text: str) -> list[str]:
        found = text.split(",")
        if unknown := [name for name in found if name not in allowed]:
            message = f"{unknown[0]!r} is no {what}; allowed: {', '.join(allowed)}"
            raise argparse.ArgumentTypeError(message)
        return found

    return parse
