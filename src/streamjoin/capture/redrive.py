"""Dead letters of a capture job fed in again."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from pyspark.sql import DataFrame

from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.job import CaptureJob, prepare
from streamjoin.capture.pipeline import process_batch
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.chunks import Chunk
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import Processed, Redrive, RedriveReport, rejected_again
from streamjoin.letters.table import DeadLetters, letter_id
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.isolation import SetAside


def run_redrive(
    config: CaptureConfig,
    letters: LetterFilter | None = None,
    *,
    on_step: Callable[[str], None] = lambda step: None,
) -> RedriveReport:
    """Feed the dead letters of the job of `config` in again, as `Redrive`; the job must not run meanwhile.

    Each chunk is processed as a batch without a position: of two rows of an item the one with the greater order wins,
    and a changelog's row is known by its change, so that a repetition leaves rows as they are. A change of an item that
    was removed since is superseded, however long ago that was: tombstones stay while there are older letters.

    Args:
        config: A checked configuration.
        letters: Which; default: all.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: It can't go on, or the job runs; what was re-driven so far stands.
    """
    prepared, spark = prepare(config, remembers_all=True)
    with prepared.locked("redrive") as job:
        job.open()
        report = Redrive(job, spark, BatchLimits.of(config.limits), partial(_process, job), on_step).run(letters)
        job.finish()
        return report


def _process(job: CaptureJob, chunk: Chunk, batch_id: str, aside: SetAside, kept: ExitStack) -> Processed:
    """Write the rows of a chunk, and see which of its letters are rejected again."""
    # `process_batch` finds by itself what fails.
    del aside, kept
    again = _RejectedAgain(job.dead_letters.base_path, job.dead_letters.table_name)
    # Also with `ignore`: a letter that is left out is no row, and stays.
    judged = replace(job, dead_letters=again, unlisted_tables="dead_letter")
    process_batch(judged, Batch(batch_id, chunk.records))
    return Processed(chunk.reasons.keys() - rejected_again(chunk.reasons.keys(), again.ids), job.journal.append)


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
