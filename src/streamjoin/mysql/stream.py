"""Changes as they come: a thread reads and decodes the binlog ahead of the one that takes them."""

import logging
from collections import deque
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from streamjoin.errors import StreamJoinError
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.changes import BinlogPosition, Change, Committed

log = logging.getLogger(__name__)

# What is decoded ahead, at most: so many changes, or so many bytes of the binlog.
AHEAD_CHANGES = 20_000
AHEAD_BYTES = 64 * 1024 * 1024
_JOIN_SECONDS = 5.0


class ChangeStream:
    """Changes from a position on. A context: leaving it ends the connection.

    Args:
        dump: A connection that was asked for the binlog.
        decoder: Begins at the same place.

    Delivery: each change once, in the binlog's order, as long as the stream lives; a new stream from the position of
    the last `Committed` taken gives what came after it. A stream that failed stays failed.
    """

    def __init__(self, dump: BinlogDump, decoder: BinlogDecoder) -> None:
        self._dump, self._decoder = dump, decoder
        self._ahead: deque[tuple[list[Change], int]] = deque()
        # Guarded by the condition: `_changes` and `_bytes` count what `_ahead` holds.
        self._condition = Condition()
        self._changes = self._bytes = 0
        self._error: BaseException | None = None
        self._is_closed = False
        self._taken = decoder.position
        self._thread = Thread(target=self._read, name="binlog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; nothing more can be taken."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        self._dump.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def take(self, max_changes: int, timeout_seconds: float) -> list[Change]:
        """Return the next changes: what is there, or the first that come.

        Args:
            max_changes: Not more than these.
            timeout_seconds: How long to wait for the first.

        Raises:
            SourceError: The binlog can't be read on; raised when all before that was taken.
        """
        taken: list[Change] = []
        with self._condition:
            self._condition.wait_for(lambda: self._ahead or self._error or self._is_closed, timeout_seconds)
            while self._ahead and len(taken) < max_changes:
                changes, size_bytes = self._ahead.popleft()
                wanted = max_changes - len(taken)
                if len(changes) > wanted:
                    self._ahead.appendleft((changes[wanted:], size_bytes))
                    changes, size_bytes = changes[:wanted], 0
                taken += changes
                self._changes -= len(changes)
                self._bytes -= size_bytes
            self._condition.notify_all()
            if not taken and self._error is not None:
                raise self._error
        committed = next((change for change in reversed(taken) if isinstance(change, Committed)), None)
        if committed is not None:
            self._taken = committed.position
        return taken

    def is_at(self, position: BinlogPosition) -> bool:
        """Tell whether all transactions that end at or before `position` were taken."""
        return self._taken.order >= position.order

    def _read(self) -> None:
        try:
            for event in self._dump.events():
                changes = self._decoder.decode(event)
                if changes and not self._put(changes, len(event.body)):
                    return
        except StreamJoinError as error:
            self._fail(error)
        except BaseException as error:
            # Raised again in the thread that takes.
            self._fail(error)

    def _put(self, changes: list[Change], size_bytes: int) -> bool:
        with self._condition:
            self._condition.wait_for(
                lambda: (
                    self._is_closed or not self._ahead or (self._changes < AHEAD_CHANGES and self._bytes < AHEAD_BYTES)
                )
            )
            if self._is_closed:
                return False
            self._ahead.append((changes, size_bytes))
            self._changes += len(changes)
            self._bytes += size_bytes
            self._condition.notify_all()
        return True

    def _fail(self, error: BaseException) -> None:
        with self._condition:
            self._error = error
            self._condition.notify_all()
