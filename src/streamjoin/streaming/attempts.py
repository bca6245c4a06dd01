"""Attempts: what failed for a reason that may pass is done again, after pauses that grow."""

import logging
from collections.abc import Callable
from typing import Final

from streamjoin.aws.backoff import back_off_seconds
from streamjoin.errors import StreamJoinError
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

# A fault that lasts longer is for people to look at; the scheduler's own restart comes after it.
MAX_ATTEMPTS: Final = 6
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


def with_attempts(
    attempt: Callable[[], None],
    stop: StopRequest,
    progress: Callable[[], int],
    on_retry: Callable[[], None] = lambda: None,
) -> None:
    """Call `attempt`, again after an error that may pass, with longer and longer pauses.

    Args:
        attempt: Goes on from what was saved last.
        stop: Ends the pauses, and the attempts.
        progress: Grows with everything that was done; then failures are counted from one again.
        on_retry: Called before each attempt but the first.

    Raises:
        StreamJoinError: An error that doesn't pass, or one that did not pass in time.
    """
    failures = 0
    while True:
        before = progress()
        try:
            attempt()
        except StreamJoinError as error:
            failures = 1 if progress() > before else failures + 1
            if error.retryable and failures >= MAX_ATTEMPTS:
                error.add_note(
                    f"Given up after {MAX_ATTEMPTS} attempts. What was committed stands: once this is mended, start "
                    "the job again; it goes on from there."
                )
            if not error.retryable or failures >= MAX_ATTEMPTS or stop.made:
                raise
            pause_seconds = back_off_seconds(failures - 1, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
            log.warning("attempt %d of %d in %.0f s, after: %s", failures + 1, MAX_ATTEMPTS, pause_seconds, error)
            stop.wait(pause_seconds)
            on_retry()
        else:
            return
