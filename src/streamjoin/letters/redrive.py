"""Dead letters fed in again, once schema, reference, tables or code have been mended."""

import hashlib
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from pyspark.sql import SparkSession

from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.entry import Entry
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.chunks import Chunk, LetterChunks, with_new_shards
from streamjoin.letters.intents import Intents
from streamjoin.letters.job import PositionedJob
from streamjoin.letters.listing import LetterFilter
from streamjoin.progress import progress
from streamjoin.spark.frames import tasks_for
from streamjoin.streaming.isolation import SetAside, isolating

log = logging.getLogger(__name__)

# The id of a letter without a place, with a batch and a number behind its content's.
_WITHOUT_PLACE: Final = re.compile(r"[0-9a-f]{64}/")
# What takes less is over before it is worth counting what is left.
_LONG_SECONDS: Final = 5.0
# The steps of a chunk between which it may die; tests kill it at each.
STEPS: Final = ("letters_read", "processed", "intended", "redriven", "letters_deleted")


@dataclass(frozen=True)
class RedriveReport:
    """What became of the dead letters that were meant.

    Args:
        redriven: Those that are a row now, or lost to a newer one, by the reason that they had.
        stayed: Those that are rejected still, by the reason that they have.
        waiting: Those of a batch that was not committed: the job reads their records again.
    """

    redriven: Mapping[str, int]
    stayed: Mapping[str, int]
    waiting: int = 0

    @property
    def tried(self) -> int:
        """How many were fed in."""
        return sum(self.redriven.values()) + sum(self.stayed.values())


@dataclass(frozen=True)
class Processed:
    """A chunk that was processed, but doesn't count yet.

    Args:
        back: The ids of the letters that are rejected no longer.
        commit: Makes it count, given what the entry says; called if there are any, or rows.
        record: What follows the commit, and is made up for by the next start.
        references: The metadata of each reference's snapshot, by name.
        has_rows: Whether there is something to commit even if all letters stay: a letter of a whole record stays for
            one of its events.
    """

    back: Set[str]
    commit: Callable[[Mapping[str, str]], object]
    record: Callable[[], object] = lambda: None
    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    has_rows: bool = False


@dataclass(frozen=True)
class Redrive:
    """Feeds dead letters of one job in again, a chunk of the size of a batch after the other.

    First, what a redrive that died has left is brought to its end. Then, of each chunk:

    1. process: as a batch, with schemas, tables and references as they are now.
    2. intent: which letters are rejected no longer.
    3. commit: an entry that carries the position on, advances nothing, and counts them.
    4. delete: those letters. The others stay as they are.

    Delivery: before step 3 ends nothing has happened that a repetition doesn't do to the same end; after it the letters
    are rows, or lost to newer ones, and the next redrive does step 4. Letters of a batch that was not committed are
    left to the job, which reads their records again. Nothing else may write for the job meanwhile.

    Args:
        job: The job's parts, locked and open.
        spark: The session.
        limits: What a chunk may hold at most.
        process: Does step 1 to a chunk, given the name of the redrive and what was found to fail in it; what it enters
            is kept until step 4.
        on_step: Called with the name of each step that has been done.
    """

    job: PositionedJob
    spark: SparkSession
    limits: BatchLimits
    process: Callable[[Chunk, str, SetAside, ExitStack], Processed]
    on_step: Callable[[str], None] = lambda step: None

    def run(self, letters: LetterFilter | None = None) -> RedriveReport:
        """Feed in `letters`, by default all.

        Raises:
            StreamJoinError: The chunk in hand did not happen, or (`SinkError`) may have: the next redrive finds out.
        """
        newest = self.job.positions.newest()
        if newest is None:
            return RedriveReport({}, {})
        self._finish_interrupted()
        position = with_new_shards(self.spark, self.job.dead_letters, self.job.positions.entries, newest.position)
        chunks = LetterChunks(self.spark, self.job.dead_letters, position, letters or LetterFilter(), self.limits)
        redriven, stayed = Counter[str](), Counter[str]()
        started, total = time.monotonic(), None
        with progress("Redrive") as tell:
            for chunk in chunks:
                self.on_step("letters_read")
                back = self._feed(chunk)
                redriven.update(reason for letter, reason in chunk.reasons.items() if letter in back)
                stayed.update(reason for letter, reason in chunk.reasons.items() if letter not in back)
                if total is None and time.monotonic() - started > _LONG_SECONDS:
                    # Those that are redriven are gone.
                    total = redriven.total() + chunks.count()
                tell(redriven.total() + stayed.total(), total, "dead letters")
        return RedriveReport(dict(redriven), dict(stayed), len(chunks.unread()))

    @property
    def _intents(self) -> Intents:
        return Intents(self.job.positions.base_path)

    def _finish_interrupted(self) -> None:
        """Delete the letters of redrives that died before they could; forget those that were never committed."""
        pending = self._intents.pending()
        if not pending:
            return
        # Of the whole history: the job may have run for long since.
        committed = {entry.batch_id for entry in self.job.positions.entries()}
        for batch_id, letters in pending.items():
            if batch_id in committed:
                log.warning("job=%s redrive=%s was interrupted after its commit; finishing it", self.job.name, batch_id)
                if letters is None:
                    raise self._intents.error(batch_id, "read", "it is not whole, though its commit happened")
                self._delete(batch_id, sorted(letters))
            self._intents.remove(batch_id)

    def _feed(self, chunk: Chunk) -> Set[str]:
        """Feed one chunk in; return the ids of the letters that are rejected no longer."""
        started, newest = time.monotonic(), self.job.positions.newest()
        assert newest is not None  # noqa: S101  (checked by the caller)
        # The entry before is part of the name: a letter that was re-driven once may come to be one again.
        name = hashlib.sha256(json.dumps([newest.instant, *sorted(chunk.reasons)]).encode()).hexdigest()[:16]
        batch_id = f"redrive-{name}"
        back = isolating(batch_id, lambda aside: self._attempt(chunk, batch_id, newest, aside))
        log.info(
            "job=%s redrive letters=%d redriven=%d seconds=%.2f",
            *(self.job.name, len(chunk.reasons), len(back), time.monotonic() - started),
        )
        return back

    def _attempt(self, chunk: Chunk, batch_id: str, newest: Entry, aside: SetAside) -> Set[str]:
        """Feed in a chunk but for what was found to fail again; those letters stay as they are."""
        with ExitStack() as kept:
            processed = self.process(chunk, batch_id, aside, kept)  # 1
            self.on_step("processed")
            back = sorted(processed.back)
            if back or processed.has_rows:
                reasons = Counter(chunk.reasons[letter] for letter in back)
                self._intents.write(batch_id, back)  # 2
                self.on_step("intended")
                self.job.check()
                processed.commit(_metadata(batch_id, newest, processed, reasons))  # 3
                self.on_step("redriven")
                processed.record()
                self._delete(batch_id, back)  # 4
                self.on_step("letters_deleted")
                self._intents.remove(batch_id)
        return processed.back

    def _delete(self, batch_id: str, letters: list[str]) -> None:
        self.job.check()
        tasks = tasks_for(self.spark, len(letters))
        self.job.dead_letters.delete(self.spark, letters, batch_id=batch_id, parallelism=tasks)


def rejected_again(letters: Set[str], rejected: Iterable[str]) -> set[str]:
    """Return which letters stay: those that have a rejected event, by itself or among others.

    Args:
        letters: The ids of the letters that were fed in.
        rejected: The ids of the events that were rejected: `stream/shard/number/sub`. A letter of a whole record may
            have several by now, which count on from its own `sub`. Those without a place are known by their content
            alone: a letter that begins with it stays, or all without a place if none does.
    """
    subs: dict[str, list[int]] = {}
    for letter in letters:
        record, slash, sub = letter.rpartition("/")
        if slash:
            subs.setdefault(record, []).append(int(sub))
    without_place = {letter for letter in letters if _WITHOUT_PLACE.match(letter)}
    stay = set[str]()
    for event in rejected:
        record, slash, sub = event.rpartition("/")
        if event in letters:
            stay.add(event)
        elif not slash:
            # A letter of a whole record, taken apart by now, has another content than its events.
            stay |= {letter for letter in without_place if letter.startswith(event)} or without_place
        else:
            stay.update(f"{record}/{first}" for first in subs.get(record, ()) if first <= int(sub))
    return stay


def _metadata(batch_id: str, newest: Entry, processed: Processed, reasons: Counter[str]) -> dict[str, str]:
    counts = {**BatchCounts().to_dict(), "redriven": reasons.total(), "redriven_by_reason": dict(reasons)}
    references = {**newest.references, **processed.references}
    return {"batch_id": batch_id, **checkpoint.to_metadata(newest.position, (), references, counts)}
