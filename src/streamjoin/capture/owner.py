"""Which capture job a table belongs to: one alone, for each keeps in memory what the others would have to know.

A job reads the tombstones of a table once, and holds the table's lock for each commit alone. A second job would bring
back rows that the first one removed. So the first one writes its name beside the table. Backfills aren't asked: they
read the tombstones under the lock of their commit.
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError

_PLACE: Final = ".hoodie/.streamjoin/owner.json"


@dataclass(frozen=True)
class Owner:
    """A capture job, as its tables know it.

    Args:
        job: Its name.
        journal: Where its position is; a copy of the job's file with other dead letters has another.
    """

    job: str
    journal: str

    def check(self, base_path: str) -> bool:
        """Make sure that no other job owns the table at `base_path`; return whether this one does.

        Raises:
            SinkError: Another job owns it, or that can't be read.
        """
        found = self._read(base_path)
        if found not in (None, self):
            raise SinkError(self._refusal(base_path, found))
        return found is not None

    def conflict(self, base_path: str) -> str | None:
        """Return why the table at `base_path` can't be this job's; None: it can.

        Raises:
            SinkError: That can't be read.
        """
        found = self._read(base_path)
        return None if found in (None, self) else self._refusal(base_path, found)

    def claim(self, base_path: str) -> None:
        """Write this job's name beside the table; to be called under the table's lock.

        Raises:
            SinkError: Another job owns it, or the name can't be read or written.
        """
        if self.check(base_path):
            return
        filesystem, root = open_path(base_path)
        try:
            put_object(filesystem, f"{root}/{_PLACE}", json.dumps(asdict(self)).encode())
        except OSError as error:
            message = f"table at '{base_path}': the name of its job can't be written to '{_PLACE}': {error}"
            raise SinkError(message, retryable=True) from error

    def __str__(self) -> str:
        return f"the job '{self.job}' with the journal '{self.journal}'"

    def _refusal(self, base_path: str, found: "Owner | None") -> str:
        return (
            f"table at '{base_path}': it belongs to {found}, expected {self}. Two capture jobs can't write one table: "
            "rows that one has removed would come back by the other. Give this job another sink.hudi.base_path; or, if "
            f"the other one is gone for good, delete '{base_path}/{_PLACE}' and start this one again."
        )

    def _read(self, base_path: str) -> "Owner | None":
        filesystem, root = open_path(base_path)
        try:
            content = get_object(filesystem, f"{root}/{_PLACE}")
        except OSError as error:
            message = f"table at '{base_path}': the name of its job can't be read from '{_PLACE}': {error}"
            raise SinkError(message, retryable=True) from error
        if content is None:
            return None
        try:
            said = json.loads(content)
            return Owner(str(said["job"]), str(said["journal"]))
        except (ValueError, KeyError, TypeError) as error:
            message = (
                f"table at '{base_path}': '{_PLACE}' is not what names its job: {error!r}. Delete it if one capture "
                "job alone writes the table."
            )
            raise SinkError(message) from error
