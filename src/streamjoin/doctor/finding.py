"""What one look has found, and what to do about it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from botocore.exceptions import ClientError

from streamjoin.aws.errors import SDK_ERRORS, THROTTLED, code_of, said_by
from streamjoin.errors import StreamJoinError

# A service's own words stand in parentheses, with sentences of theirs; what follows is what to do.
_REMEDY: Final = re.compile(r"(?<=\)\.)\s+(?=[A-Z])|(?<=[^.]\.)\s+(?=[A-Z])")


# "stream 'orders': what failed"
_NAMED: Final = re.compile(r"((?:[a-z]+ ){1,3}'[^']+'(?: in region '[^']+'| at [^: ]+(?::[^ ]+)?)?): (.+)")
_LAST_RESORT: Final = "Mend what it says, and look again."
_UNREACHABLE: Final = "Check the network, the credentials, the region (AWS_REGION) and AWS_ENDPOINT_URL."

FAILURES: Final = (StreamJoinError, *SDK_ERRORS)
"""What a look at a service ends with that fails."""


class Status(StrEnum):
    """How it is."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One line.

    Args:
        status: Good, bad, or not to be told from here.
        what: What was looked at, such as "stream 'orders'".
        found: What was found; never a value of a record, never a secret.
        remedy: What to do, or what would make it known; may be empty if it is good.
    """

    status: Status
    what: str
    found: str
    remedy: str = ""

    @classmethod
    def of_error(cls, what: str, error: Exception, *, remedy: str = "", needed: bool = True) -> Self:
        """Return what an error says.

        Args:
            what: What was looked at; empty: what the error begins with.
            error: Of ours, whose text ends with what to do; or of a library.
            remedy: What to do. Default: what the error says.
            needed: Whether the job needs what failed; else that can't be told is all that is known.
        """
        text = str(error) if isinstance(error, StreamJoinError) else said_by(error) or type(error).__name__
        text = " ".join(line.strip() for line in text.splitlines())
        named = _NAMED.match(text) if isinstance(error, StreamJoinError) else None
        if named is not None and not what:
            what, text = named.groups()
        found, told = divided(text) if isinstance(error, StreamJoinError) else (text, "")
        is_bad = needed and code_of(error) not in THROTTLED
        return cls(Status.BAD if is_bad else Status.UNKNOWN, what, found, remedy or told or _remedy(error))


def good(what: str, found: str, remedy: str = "") -> Finding:
    """Return that all is well."""
    return Finding(Status.GOOD, what, found, remedy)


def bad(what: str, found: str, remedy: str) -> Finding:
    """Return that the job would fail, or lose by it."""
    return Finding(Status.BAD, what, found, remedy)


def unknown(what: str, found: str, remedy: str) -> Finding:
    """Return that it can't be told from here."""
    return Finding(Status.UNKNOWN, what, found, remedy)


def divided(text: str) -> tuple[str, str]:
    """Return what an error of ours has found, and what it says to do; that is empty if it says nothing."""
    end = text.find("). ")
    if end >= 0:
        return text[: end + 2], text[end + 3 :]
    found, *rest = _REMEDY.split(text, maxsplit=1)
    if rest:
        return found, rest[0]
    found, _, remedy = text.rpartition("; ")
    return (found, f"{remedy[:1].upper()}{remedy[1:].removesuffix('.')}.") if found else (text, "")


def _remedy(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"Allow {error.operation_name} to the job's role, or see what the service says."
    return _UNREACHABLE if isinstance(error, SDK_ERRORS) else _LAST_RESORT
