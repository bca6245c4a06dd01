"""Changes that a capture left out as those of an unlisted table, before the table was listed."""

import logging
from datetime import UTC, datetime

from streamjoin.capture.backfill_note import BackfillNote
from streamjoin.capture.job import CaptureJob
from streamjoin.errors import DataLossError

log = logging.getLogger(__name__)


def check_left_out(job: CaptureJob, *, key: str | None) -> None:
    """Make sure that of no table changes were left out since its backfill: they would be in neither.

    With `unlisted_tables: dead_letter` they are dead letters, and a redrive brings them.

    Args:
        job: The job, which has a position already.
        key: That of the source, to name in the error; None: to go on without them, with a warning.

    Raises:
        DataLossError: There are some, and there is a key.
        SinkError: A note or the journal can't be read.
    """
    notes = {name: BackfillNote(path).read() for name, path in job.tables.listed_paths()}
    since = {name: _instant(note.oldest_us) for name, note in notes.items() if note is not None}
    if not since:
        return
    left_out = dict.fromkeys(since, 0)
    for entry in job.journal.entries():
        for name, count in entry.counts.get("ignored_tables", {}).items():
            if name in since and entry.instant >= since[name]:
                left_out[name] += int(count)
    for name, base_path in job.tables.listed_paths():
        if left_out.get(name):
            message = (
                f"table '{name}' at '{base_path}': {left_out[name]} of its changes were left out by unlisted_tables: "
                f"ignore since its backfill noted {since[name][:8]}T{since[name][8:14]}Z; they are in no row. Delete "
                f"'{base_path}' and start the backfill again, then this job"
            )
            if key is not None:
                message = f"{message}; or set {key}.fail_on_data_loss: false to go on without them."
                raise DataLossError(message)
            log.warning("%s, to get them; going on without them", message)


def _instant(us: int) -> str:
    """Return a moment as the journal has it."""
    moment = datetime.fromtimestamp(us / 1_000_000, UTC)
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03}"
