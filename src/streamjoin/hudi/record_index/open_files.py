"""The files that new rows of a table go to, if our index tells Hudi the file of each row."""

from collections.abc import Sequence
from typing import Final

from streamjoin.hudi.timeline import Commit, Timeline

OPENED: Final = "opened"
"""Under this key a commit says how many files without rows were wanted of it; it has no row, and nothing of a batch."""


class OpenFiles:
    """The files below their limit that got the newest rows: events are often followed by others of their keys.

    Args:
        limit: From how many bytes on a file takes no more rows.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: dict[str, int] = {}

    def begin(self, timeline: Timeline) -> None:
        """Begin anew, with the files of the newest commit that has new rows, or opened files.

        A commit that replaced files ends the search: older ones may be gone.

        Raises:
            SinkError: A commit can't be read.
        """
        self._sizes = {}
        for instant, name in sorted(timeline.commits.items(), reverse=True):
            commit = timeline.commit(instant)
            if commit is not None:
                self.see(commit)
            if self._sizes or name.endswith(".replacecommit"):
                return

    def see(self, commit: Commit) -> None:
        """Take note of what the next commit wrote."""
        for file in commit.files:
            if OPENED in commit.metadata or (
                (file.new_rows or file.file_id in self._sizes) and file.size < self._limit
            ):
                self._sizes[file.file_id] = file.size
            else:
                self._sizes.pop(file.file_id, None)

    def fullest(self, count: int) -> Sequence[str]:
        """Return the ids of so many files, fewer if there aren't as many."""
        return sorted(self._sizes, key=lambda file_id: (-self._sizes[file_id], file_id))[:count]
