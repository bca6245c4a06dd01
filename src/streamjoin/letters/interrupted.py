"""What a redrive that died has left, brought to its end."""

import logging
from collections.abc import Callable, Iterable

from streamjoin.history.entry import Entry
from streamjoin.letters.intents import Intents

log = logging.getLogger(__name__)


def finish_interrupted(
    job: str,
    intents: Intents,
    entries: Callable[[], Iterable[Entry]],
    delete: Callable[[str, list[str]], None],
) -> None:
    """Delete the letters of redrives that died before they could; forget those that were never committed.

    Args:
        job: The job's name, for the log.
        intents: What redrives were about to do.
        entries: Gives all commits of the job.
        delete: Deletes letters, for the redrive of this batch id.

    Raises:
        SinkError: Something can't be read, or deleted.
    """
    pending = intents.pending()
    if not pending:
        return
    # Of the whole history: the job may have run for long since.
    committed = {entry.batch_id for entry in entries()}
    for batch_id in pending:
        if batch_id in committed:
            log.warning("job=%s redrive=%s was interrupted after its commit; finishing it", job, batch_id)
            delete(batch_id, intents.letters(batch_id))
        intents.remove(batch_id)
