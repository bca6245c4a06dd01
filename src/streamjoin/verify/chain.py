"""The ranges of each shard, joined from commit to commit."""

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass

from streamjoin.errors import SourceError
from streamjoin.history.change import describe_change
from streamjoin.history.entry import Entry
from streamjoin.shards.position import TRIM_HORIZON, Position, PositionKind, ShardPosition, ShardRange, sequence_order
from streamjoin.verify.report import Violation, ViolationKind, named


@dataclass(frozen=True)
class Rewound:
    """Records that a set position lets be read again.

    Args:
        shard_id: The shard.
        after: They begin after this one; None: anywhere.
        up_to: The last one.
    """

    shard_id: str
    after: str | None
    up_to: str


class Chain:
    """Joins the commits as they come, the oldest first.

    Invariant: holds what the last commit says and a little of each shard, however many commits there are.

    Attributes:
        notes: What was declared: lost ranges that were accepted, positions that were set.
        rewound: What may be read again by a declared change.
        begins_whole: Whether the first commit was the table's very first.
        last: The newest commit so far.
        read_up_to: Shard -> the last record read of it.
        drained: Shards that were read to their end.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rewound: list[Rewound] = []
        self.begins_whole = False
        self.last: Entry | None = None
        self.read_up_to: dict[str, str] = {}
        self.drained: set[str] = set()

    def join(self, entry: Entry) -> Iterator[Violation]:
        """Yield what doesn't fit between the last commit and this one."""
        before = self.last
        if before is None:
            yield from self._begin(entry)
        else:
            yield from _order(before, entry)
            if entry.batch_id == "start":
                yield Violation(
                    ViolationKind.POSITION,
                    f"{named(entry)} began again at the configured starting position, behind {named(before)}: what was "
                    "read before may have been read again, what came in between may be missing",
                )
                self._begin_at(entry)
            elif entry.batch_id.startswith("set-"):
                yield from self._set(before, entry)
            else:
                yield from self._ranges(before, entry)
                yield from _position(before, entry)
        self._advance(entry)

    def _begin(self, entry: Entry) -> Iterator[Violation]:
        self.begins_whole = entry.batch_id == "start"
        if not self.begins_whole:
            self.notes.append(
                f"the history begins with {named(entry)}; what was committed before it was not recorded, and is not "
                "judged"
            )
        self._begin_at(entry)
        for each in entry.ranges:
            yield from _shape(entry, each)

    def _ranges(self, before: Entry, entry: Entry) -> Iterator[Violation]:
        seen: set[str] = set()
        for each in entry.ranges:
            yield from _shape(entry, each)
            place = before.position.shards.get(each.shard_id, TRIM_HORIZON)
            if each.shard_id in seen:
                yield Violation(ViolationKind.OVERLAP, f"shard '{each.shard_id}': {named(entry)} has two ranges of it")
            elif each.shard_id in self.drained:
                yield Violation(
                    ViolationKind.OVERLAP,
                    f"shard '{each.shard_id}': {named(entry)} read it{_from(each)}, although it had been drained: its "
                    f"records up to {self.read_up_to.get(each.shard_id, 'its end')} are read twice",
                )
            else:
                yield from self._joint(before, entry, each, place)
            seen.add(each.shard_id)

    def _joint(self, before: Entry, entry: Entry, each: ShardRange, place: ShardPosition) -> Iterator[Violation]:
        """Compare where a read began with where the position before it stood, and with what was read at all."""
        stood, began = place.sequence_number, each.after
        where = f"shard '{each.shard_id}': {named(before)} stood at {place}, {named(entry)} began{_from(each)}"
        if entry.tells_after and began != stood:
            if began is None:
                yield Violation(ViolationKind.OVERLAP, f"{where}: the records up to {stood} are read twice")
            elif stood is None:
                yield Violation(ViolationKind.GAP, f"{where}: the records up to {began} were never read")
            elif sequence_order(began) > sequence_order(stood):
                yield Violation(ViolationKind.GAP, f"{where}: the records after {stood} up to {began} were never read")
            else:
                yield Violation(
                    ViolationKind.OVERLAP, f"{where}: the records after {began} up to {stood} are read twice"
                )
            return
        read = max((n for n in (stood, self.read_up_to.get(each.shard_id)) if n), key=sequence_order, default=None)
        if read is not None and each.first is not None and sequence_order(each.first) <= sequence_order(read):
            yield Violation(
                ViolationKind.OVERLAP, f"{where}: the records from {each.first} up to {read} are read twice"
            )

    def _set(self, before: Entry, entry: Entry) -> Iterator[Violation]:
        by, at, what = "?", "?", "?"
        try:
            audit = json.loads(entry.extra["audit"])
            by, at, what = audit["set_by"], audit["set_at"], audit["what"]
            declared = Position.from_json(json.dumps({"stream": "", "shards": audit["from"]})).shards
            moved = {*declared, *audit["to"]}
        except (KeyError, ValueError, TypeError, SourceError):
            declared, moved = {}, {*before.position.shards, *entry.position.shards}
            yield Violation(
                ViolationKind.POSITION, f"{named(entry)} set the position, but doesn't say who did it, when and where"
            )
        for shard_id, place in declared.items():
            stood = before.position.shards.get(shard_id, TRIM_HORIZON)
            if place.place != stood.place:
                yield Violation(
                    ViolationKind.POSITION,
                    f"shard '{shard_id}': {named(entry)} set the position from {place} on, but {named(before)} stood "
                    f"at {stood}: a commit between them is missing",
                )
        yield from _position(before, entry, without=moved)
        changes = describe_change(before.position, entry.position) or ("nothing moved",)
        self.notes += [f"{named(entry)}: {by} set the position at {at} ({what}): {change}" for change in changes]
        for shard_id, place in entry.position.shards.items():
            read, after = self.read_up_to.get(shard_id), place.sequence_number
            if read is None or place.kind is PositionKind.DRAINED or place == before.position.shards.get(shard_id):
                continue
            if after is None or sequence_order(after) < sequence_order(read):
                self.rewound.append(Rewound(shard_id, after, read))
        self._begin_at(entry)

    def _begin_at(self, entry: Entry) -> None:
        """Take the position for what was read of the shards that it names."""
        places = entry.position.shards
        read = {shard_id: p.sequence_number for shard_id, p in places.items() if p.sequence_number is not None}
        self.read_up_to = {s: number for s, number in self.read_up_to.items() if s not in places} | read
        drained = {shard_id for shard_id, place in places.items() if place.kind is PositionKind.DRAINED}
        self.drained = (self.drained - places.keys()) | drained

    def _advance(self, entry: Entry) -> None:
        self.last = entry
        for each in entry.ranges:
            if each.last is not None:
                self.read_up_to[each.shard_id] = each.last
            if each.drained:
                self.drained.add(each.shard_id)
            if each.lost is not None:
                until = f"before {each.lost.first_available}" if each.lost.first_available else "up to its end"
                self.notes.append(
                    f"shard '{each.shard_id}': the records after {each.lost.after or 'its beginning'} and {until} were "
                    f"gone before they were read, which fail_on_data_loss: false accepts ({named(entry)})"
                )


def _order(before: Entry, entry: Entry) -> Iterator[Violation]:
    if entry.instant <= before.instant:
        yield Violation(ViolationKind.LEDGER, f"{named(entry)} comes after {named(before)}, but is not newer")
    names = [each.position.stream.rpartition("/")[2] for each in (before, entry)]
    if names[0] != names[1] and not _is_replaced(before, entry):
        yield Violation(
            ViolationKind.POSITION,
            f"{named(entry)} is of stream '{entry.position.stream}', {named(before)} of '{before.position.stream}'",
        )


def _is_replaced(before: Entry, entry: Entry) -> bool:
    """Say whether every shard of the old stream ended with a loss, as when a table has got a new stream."""
    ended = {each.shard_id for each in entry.ranges if each.drained and each.lost is not None}
    return ended >= {s for s, place in before.position.shards.items() if place.kind is not PositionKind.DRAINED}


def _shape(entry: Entry, each: ShardRange) -> Iterator[Violation]:
    """Check what one range says of itself."""
    where = f"shard '{each.shard_id}': {named(entry)} read {each.records} records, from {each.first} to {each.last}"
    if each.first is None or each.last is None:
        if each.first != each.last or each.records:
            yield Violation(ViolationKind.COUNTS, f"{where}: one of these is wrong")
    # A record of the stream may hold no event.
    elif sequence_order(each.last) < sequence_order(each.first):
        yield Violation(ViolationKind.COUNTS, f"{where}: one of these is wrong")
    elif each.after is not None and sequence_order(each.first) <= sequence_order(each.after):
        yield Violation(
            ViolationKind.OVERLAP, f"{where}, but began after {each.after}: what lies between is read twice"
        )


def _position(before: Entry, entry: Entry, without: Set[str] = frozenset()) -> Iterator[Violation]:
    """Compare the position that a commit carries with the one before it, advanced by the commit's ranges."""
    expected, found = before.position.advance(entry.ranges).shards, entry.position.shards
    for shard_id in sorted((expected.keys() | found.keys()) - without):
        # A shard that wasn't known begins at its beginning; the stream forgets drained ones, and so may the position.
        want, got = expected.get(shard_id, TRIM_HORIZON), found.get(shard_id)
        if got is None and want.kind is not PositionKind.DRAINED:
            yield Violation(
                ViolationKind.POSITION,
                f"shard '{shard_id}': {named(entry)} no longer knows it; it stood at {want} in {named(before)}, and "
                "what followed may not have been read, or all of it again",
            )
        elif got is not None and got.place != want.place:
            yield _moved(before, entry, shard_id, want, got)


def _moved(before: Entry, entry: Entry, shard_id: str, want: ShardPosition, got: ShardPosition) -> Violation:
    where = (
        f"shard '{shard_id}': {named(entry)} left it at {got}; with what it read after {named(before)} it is at {want}"
    )
    if want.sequence_number is None or got.sequence_number is None:
        return Violation(ViolationKind.POSITION, f"{where}: what lies between is missing or read twice")
    if sequence_order(got.sequence_number) > sequence_order(want.sequence_number):
        meaning = f"the records after {want.sequence_number} up to {got.sequence_number} were never read"
        return Violation(ViolationKind.GAP, f"{where}: {meaning}")
    meaning = f"the records after {got.sequence_number} up to {want.sequence_number} are read twice"
    return Violation(ViolationKind.OVERLAP, f"{where}: {meaning}")


def _from(each: ShardRange) -> str:
    began = f" after {each.after}" if each.after is not None else ""
    first = f" with {each.first}" if each.first is not None else ""
    return f"{began}{first}" or " at its beginning"
