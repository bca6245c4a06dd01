"""What the commits say was rejected, against the dead letters that are there."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamjoin.history.entry import Entry
from streamjoin.letters.columns import ID_COLUMN, REASON, stream_name
from streamjoin.shards.position import QUERIES, PositionKind, ShardRange, sequence_order
from streamjoin.verify.chain import Chain, Rewound
from streamjoin.verify.counts import by_reason
from streamjoin.verify.letters import Letters, Span
from streamjoin.verify.report import Violation, ViolationKind, named


@dataclass(frozen=True)
class _Difference:
    """A commit in whose ranges there are more or fewer dead letters than it rejected."""

    name: str
    places: tuple[tuple[str, str, str], ...]
    missing: Mapping[str, int]


@dataclass
class RejectCheck:
    """Compares commit by commit, and gives its verdict when all have come.

    Rejected records are dead letters, until a redrive made rows of them: what is missing in a commit's ranges must
    have been redriven, and more than it rejected there can't be. Letters behind the last position belong to a batch
    that is about to be committed, or will be read again.

    Records of streaming queries have places that their commits don't know: there the totals are compared.

    Args:
        table: The dead letters. Columns in: `dead_letter_id`, `stream`, `shard_id`, `sequence_number`, `reason`.
        intents: Redrives that were not finished.
    """

    table: pa.Table
    intents: Mapping[str, frozenset[str]]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        intended = sorted(frozenset[str]().union(*self.intents.values()))
        is_intended = pc.is_in(self.table[ID_COLUMN], pa.array(intended, pa.string()))
        self._intended = self.table.filter(is_intended)
        self._letters = Letters.of(self.table.filter(pc.invert(is_intended)))
        self._streams: set[str] = set()
        self._is_claimed = {s: np.zeros(len(found.numbers), bool) for s, found in self._letters.shards.items()}
        self._differences: list[_Difference] = []
        self._redriven: Counter[str] = Counter()
        # Letters of lost records may be redriven too, and no commit says that they were rejected.
        self._has_lost = False
        self._done: set[str] = set()
        # Of streaming queries: what was rejected, by reason, and by which queries.
        self._rejected: Counter[str] = Counter()
        self._queries: set[str] = set()
        # Letters of redrives that were committed, but died before they deleted them.
        self._finished: Counter[str] = Counter()

    @property
    def dead_letters(self) -> int:
        """How many dead letters are of commits seen so far."""
        if QUERIES in self._streams:
            return int(self.table.num_rows)
        return sum(int(claimed.sum()) for claimed in self._is_claimed.values())

    def add(self, entry: Entry) -> None:
        """Take in one commit."""
        self._redriven.update(by_reason(entry.counts, "redriven_by_reason"))
        if entry.batch_id in self.intents:
            self._done.add(entry.batch_id)
        self._streams.add(stream_name(entry.position.stream))
        missing = Counter(by_reason(entry.counts, "rejected_by_reason"))
        if entry.position.stream == QUERIES:
            self._rejected += missing
            self._queries.update(each.shard_id for each in entry.ranges)
            return
        places = []
        for each in entry.ranges:
            if each.first is None or each.last is None:
                continue
            places.append((each.shard_id, each.first, each.last))
            for place in self._letters.shards.keys() & {(stream, each.shard_id) for stream in self._streams}:
                letters = self._letters.shards[place]
                begin, end = letters.span(each.first, each.last)
                self._is_claimed[place][begin:end] = True
                found = letters.totals[end] - letters.totals[begin]
                missing.subtract({self._letters.reasons[i]: int(found[i]) for i in np.flatnonzero(found)})
        for each in entry.ranges:
            self._claim_lost(each)
        differing = {reason: count for reason, count in missing.items() if count}
        if differing:
            self._differences.append(_Difference(named(entry), tuple(places), differing))

    def _claim_lost(self, found: ShardRange) -> None:
        """Claim letters among lost records: a try wrote them whose records the stream dropped before the next one."""
        if found.lost is None:
            return
        self._has_lost = True
        for place in self._letters.shards.keys() & {(stream, found.shard_id) for stream in self._streams}:
            begin, end = self._letters.shards[place].span(found.lost.after, found.lost.first_available)
            claimed = self._is_claimed[place][begin:end]
            if kept := int(np.sum(~claimed)):
                self.notes.append(
                    f"shard '{found.shard_id}': {kept} dead letters are of records that were gone before they were "
                    "read again; they can be redriven"
                )
            claimed[:] = True

    def verdict(self, chain: Chain) -> Iterator[Violation]:
        """Yield what doesn't add up, once `chain` and this have seen every commit."""
        if QUERIES in self._streams:
            yield from self._totals(chain)
            return
        is_exact = chain.begins_whole and not chain.rewound and not self._has_lost
        judged = [each for each in self._differences if not _touches(each, chain.rewound)]
        if len(judged) < len(self._differences):
            self.notes.append(
                f"the dead letters of {len(self._differences) - len(judged)} commits are not compared with their "
                "counts: the position was set back behind them, so that their records were read again"
            )
        explained = self._redriven + self._undone()
        missing: Counter[str] = Counter()
        for each in judged:
            for reason, count in each.missing.items():
                if count < 0:
                    yield _wrong(
                        f"{each.name}: {-count} dead letters more with reason {reason} lie in its ranges than it says "
                        "it rejected: an earlier try of the batch rejected what this one kept, or they were put there"
                    )
                elif not explained[reason]:
                    yield _wrong(
                        f"{each.name}: it rejected {count} records with reason {reason} that are not among the dead "
                        "letters, and none were redriven: they are lost"
                    )
                else:
                    missing[reason] += count
        for reason in sorted(missing.keys() | explained.keys()):
            found, expected = missing[reason], explained[reason]
            if found > expected or (is_exact and found < expected):
                yield _wrong(
                    f"{found} records that were rejected with reason {reason} are no longer among the dead letters, "
                    f"but {expected} were redriven: {'some are lost' if found > expected else 'some are there twice'}"
                )
        if chain.begins_whole:
            yield from self._unclaimed(chain)

    def _totals(self, chain: Chain) -> Iterator[Violation]:
        undone = self._undone()
        there = Counter(str(reason) for reason in self.table[REASON].to_pylist()) - self._finished
        for reason in sorted(self._rejected.keys() | there.keys()):
            rejected, redriven = self._rejected[reason], self._redriven[reason]
            lost = rejected - redriven - there[reason]
            if lost > 0 and chain.begins_whole and len(self._queries) == 1:
                yield _wrong(
                    f"{lost} of {rejected} records that were rejected with reason {reason} are neither among the dead "
                    f"letters nor were they redriven ({redriven}): they are lost"
                )
            elif lost:
                self.notes.append(
                    f"reason {reason}: {there[reason]} dead letters, {rejected} rejected and {redriven} redriven by "
                    f"the commits of {len(self._queries)} streaming queries: a batch that was not committed, or "
                    "records that more than one query has read"
                )
        if undone:
            self.notes.append(
                f"a redrive was interrupted before its commit: {undone.total()} dead letters lie there still"
            )

    def _undone(self) -> Counter[str]:
        """Count the letters of redrives that began and did not get to their commit: all of them still lie there."""
        done = frozenset[str]().union(*(self.intents[batch_id] for batch_id in self._done))
        found: Counter[str] = Counter()
        for letter in self._intended.to_pylist():
            if letter[ID_COLUMN] in done:
                self._finished[letter[REASON]] += 1
            else:
                found[letter[REASON]] += 1
        if self._finished:
            self.notes.append(
                f"a redrive was interrupted: {self._finished.total()} dead letters are rows by now; run streamjoin "
                "dead-letters redrive again to finish it"
            )
        return found

    def _unclaimed(self, chain: Chain) -> Iterator[Violation]:
        """Yield dead letters that no commit's ranges hold, although the position is past them."""
        for (stream, shard_id), letters in sorted(self._letters.shards.items()):
            if stream not in self._streams:
                continue
            read = chain.last.position.shards.get(shard_id) if chain.last else None
            last = read.sequence_number if read is not None else None
            if shard_id in chain.drained or (read is not None and read.kind is PositionKind.DRAINED):
                span: Span = letters.span(None, None)
            elif last is not None:
                span = letters.span(None, last)
            else:
                continue
            begin, end = span
            orphans = np.flatnonzero(~self._is_claimed[stream, shard_id][begin:end])
            if len(orphans):
                first, last = letters.number(int(orphans[0])), letters.number(int(orphans[-1]))
                yield _wrong(
                    f"shard '{shard_id}': {len(orphans)} dead letters from {first} to {last} are in no commit's range"
                )


def _touches(difference: _Difference, rewound: Sequence[Rewound]) -> bool:
    return any(
        shard_id == each.shard_id
        and sequence_order(first) <= sequence_order(each.up_to)
        and (each.after is None or sequence_order(last) > sequence_order(each.after))
        for shard_id, first, last in difference.places
        for each in rewound
    )


def _wrong(text: str) -> Violation:
    return Violation(ViolationKind.DEAD_LETTERS, text)
