"""Dead letters of a capture job fed in again, once tables, schemas or code have been mended."""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pyspark.sql import DataFrame, SparkSession

from streamjoin.capture.assembly import batch_limits, locked, prepare
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.job import CaptureJob
from streamjoin.capture.pipeline import process_batch
from streamjoin.enrich.redrive import RedriveReport
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.entry import Entry
from streamjoin.letters.chunks import Chunk, LetterChunks, with_new_shards
from streamjoin.letters.intents import Intents
from streamjoin.letters.interrupted import finish_interrupted
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.table import DeadLetters, letter_id
from streamjoin.spark.frames import tasks_for
from streamjoin.streaming.batch import Batch

log = logging.getLogger(__name__)

# The steps of a chunk between which it may die; tests kill it at each.
STEPS: Final = ("letters_read", "processed", "intended", "redriven", "letters_deleted")


def run_redrive(
    config: CaptureConfig,
    letters: LetterFilter | None = None,
    *,
    at: Callable[[str], None] = lambda step: None,
) -> RedriveReport:
    """Feed the dead letters of the job of `config` in again; the job must not run meanwhile.

    Of each chunk of the size of a batch:

    1. process: as a batch without a position. What is rejected again stays a dead letter, as it is.
    2. intent: which letters are rejected no longer.
    3. journal: an entry that carries the position on, advances nothing, and counts them.
    4. delete: those letters.

    Delivery: before step 3 nothing has happened but to rows, which a repetition leaves as they are: of two rows of an
    item the one with the greater order wins, and a changelog's row is known by its change. After it the next redrive
    does step 4. Letters of a batch that is not in the journal are left to the job, which reads their records again.

    Args:
        config: A checked configuration.
        letters: Which; default: all.
        at: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: It can't go on, or the job runs; what was re-driven so far stands.
    """
    prepared, spark = prepare(config)
    with locked(prepared, config) as job:
        job.open()
        newest = job.journal.newest()
        if newest is None:
            return RedriveReport({}, {})
        driver = _Redriver(job, spark, Intents(journal_path(config)), at)
        finish_interrupted(job.name, driver.intents, driver.entries, driver.delete)
        position = with_new_shards(spark, job.dead_letters, driver.entries, newest.position)
        chunks = LetterChunks(spark, job.dead_letters, position, letters or LetterFilter(), batch_limits(config))
        redriven, stayed = Counter[str](), Counter[str]()
        for chunk in chunks:
            at("letters_read")
            rejected = driver.redrive(chunk)
            stayed.update(chunk.reasons[letter] for letter in rejected)
            redriven.update(reason for letter, reason in chunk.reasons.items() if letter not in rejected)
        return RedriveReport(dict(redriven), dict(stayed), len(chunks.unread()))


@dataclass(frozen=True)
class _Redriver:
    """Re-drives chunks of one job.

    Args:
        job: The job's parts, locked.
        spark: The session.
        intents: What redrives of the job are about to do.
        at: Called with the name of each step that has been done.
    """

    job: CaptureJob
    spark: SparkSession
    intents: Intents
    at: Callable[[str], None]

    def entries(self) -> list[Entry]:
        """Return the job's whole journal."""
        return list(self.job.journal.history().entries())

    def redrive(self, chunk: Chunk) -> frozenset[str]:
        """Feed one chunk in; return the ids of the letters that are rejected again."""
        started = time.monotonic()
        newest = self.job.journal.newest()
        assert newest is not None  # noqa: S101  (checked by the caller)
        # The entry before is part of the name: a letter that was re-driven once may come to be one again.
        name = hashlib.sha256(json.dumps([newest.instant, *sorted(chunk.reasons)]).encode()).hexdigest()[:16]
        batch_id = f"redrive-{name}"
        again = _RejectedAgain(self.job.dead_letters.base_path, self.job.dead_letters.table_name)
        process_batch(replace(self.job, dead_letters=again), Batch(batch_id, chunk.records))  # 1
        self.at("processed")
        back = sorted(chunk.reasons.keys() - again.ids)
        if back:
            self.intents.write(batch_id, back)  # 2
            self.at("intended")
            self.job.check()
            self.job.journal.append(_entry(batch_id, newest, Counter(map(chunk.reasons.__getitem__, back))))  # 3
            self.at("redriven")
            self.delete(batch_id, back)  # 4
            self.at("letters_deleted")
            self.intents.remove(batch_id)
        log.info(
            "job=%s redrive letters=%d redriven=%d seconds=%.2f",
            *(self.job.name, len(chunk.reasons), len(back), time.monotonic() - started),
        )
        return frozenset(again.ids)

    def delete(self, batch_id: str, letters: list[str]) -> None:
        """Delete letters that are rejected no longer."""
        self.job.check()
        tasks = tasks_for(self.spark, len(letters))
        self.job.dead_letters.delete(self.spark, letters, batch_id=batch_id, parallelism=tasks)


@dataclass(frozen=True)
class _RejectedAgain(DeadLetters):
    """Dead letters that are there already: only notes which of them are rejected again.

    Attributes:
        ids: Theirs.
    """

    ids: set[str] = field(default_factory=set)

    def write(self, rejected: DataFrame, *, batch_id: str, parallelism: int = 1) -> None:
        """Note them; a letter keeps the reason with which its batch counts it."""
        del batch_id, parallelism
        self.ids.update(str(row[0]) for row in rejected.select(letter_id()).collect())


def _entry(batch_id: str, newest: Entry, reasons: Mapping[str, int]) -> dict[str, str]:
    counts = {
        **BatchCounts().to_dict(),
        "redriven": sum(reasons.values()),
        "redriven_by_reason": dict(reasons),
    }
    return {"batch_id": batch_id, **checkpoint.to_metadata(newest.position, (), {}, counts)}
