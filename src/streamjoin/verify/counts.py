"""What one commit says of itself: its numbers, and the versions of its references."""

from collections.abc import Iterator, Mapping
from typing import Any

from streamjoin.history.entry import Entry
from streamjoin.verify.report import Violation, ViolationKind, named

# Commits that read nothing of the stream.
_WITHOUT_RANGES = ("start", "rewrite-", "redrive-", "set-")


def check_counts(entry: Entry) -> Iterator[Violation]:
    """Yield where the numbers of a commit don't add up."""
    counts = entry.counts
    read, rejected = number(counts, "read"), number(counts, "rejected")
    kept, superseded = number(counts, "kept"), number(counts, "superseded")
    # Changes of tables that are not captured; of job capture.
    ignored = number(counts, "ignored")
    reasons = by_reason(counts, "rejected_by_reason")
    in_ranges = sum(each.records for each in entry.ranges)
    if read != kept + superseded + rejected + ignored:
        found = f"{read} records read are not {kept} kept + {superseded} superseded + {rejected} rejected"
        found += f" + {ignored} ignored" if ignored else ""
        yield _wrong(entry, found)
    if read != in_ranges:
        yield _wrong(entry, f"{read} records read are not the {in_ranges} of its ranges")
    if rejected != sum(reasons.values()):
        yield _wrong(entry, f"{rejected} rejected are not the {sum(reasons.values())} of its reasons")
    redriven = by_reason(counts, "redriven_by_reason")
    if number(counts, "redriven") != sum(redriven.values()):
        found = f"{number(counts, 'redriven')} redriven are not the {sum(redriven.values())} of its reasons"
        yield _wrong(entry, found)
    if entry.ranges and entry.batch_id.startswith(_WITHOUT_RANGES):
        yield _wrong(entry, f"it has ranges of {len(entry.ranges)} shards, though such a commit reads nothing")


def check_versions(before: Entry, entry: Entry) -> Iterator[Violation]:
    """Yield the references whose version went back."""
    for name, found in entry.references.items():
        earlier = before.references.get(name, {}).get("version", 0)
        if found.get("version", earlier) < earlier:
            yield Violation(
                ViolationKind.REFERENCE,
                f"reference '{name}': {named(entry)} was joined with version {found['version']}, {named(before)} "
                f"with {earlier} already: newer rows have older values",
            )


def number(counts: Mapping[str, Any], name: str) -> int:
    """Return one of a commit's counts; those that it lacks are 0."""
    return int(counts.get(name, 0))


def by_reason(counts: Mapping[str, Any], name: str) -> dict[str, int]:
    """Return a commit's counts by reason."""
    return {str(reason): int(count) for reason, count in counts.get(name, {}).items()}


def _wrong(entry: Entry, found: str) -> Violation:
    return Violation(ViolationKind.COUNTS, f"{named(entry)}: {found}")
