"""The overview of a job that has its position in a ledger or in a journal."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from streamjoin.history.figures import BatchFigures
from streamjoin.history.reader import HistoryReader
from streamjoin.lock.view import look
from streamjoin.overview.overview import RECENT_BATCHES, Overview, shards_of
from streamjoin.overview.state import IDLE_SECONDS, JobState


def overviews_of(
    reader: HistoryReader,
    *,
    job: str,
    kind: str,
    where: Mapping[str, str],
    lock_path: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[], Overview]:
    """Return what looks at a job; a second look reads what came since.

    Args:
        reader: Of its ledger or journal.
        job: Its name.
        kind: What `job:` says.
        where: What it is read from and what it writes, by what they are.
        lock_path: Where its lock is.
        clock: The time.

    Raises:
        SinkError: (The function returned) history or lock can't be read.
    """

    def overview() -> Overview:
        lock, entries = look(lock_path), reader.recent(RECENT_BATCHES)
        batches, now = [BatchFigures.of(each) for each in entries], clock()
        # A job that is caught up, and reads nothing, commits once an hour all the same.
        is_behind = bool(batches) and any(batches[-1].lag_ms.values())
        state = JobState.of(lock, batches, now, allowed_seconds=0.0 if is_behind else IDLE_SECONDS)
        return Overview(
            job=job,
            kind=kind,
            where=where,
            now=now,
            state=state,
            lock=lock,
            shards=shards_of(entries[-1].position, entries) if entries else (),
            batches=batches,
            letters=reader.letters(),
        )

    return overview
