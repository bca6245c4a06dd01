"""What every check is given: the job's configuration, clients of the services, and the time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import open_path
from streamjoin.hudi.table_files import TableFiles

if TYPE_CHECKING:
    from streamjoin.entry import JobConfig

# A service that is away is to be told within seconds.
_client = partial(aws_client, read_timeout_seconds=10, attempts=2)


@dataclass(frozen=True)
class Context:
    """What is looked at, and by what.

    Args:
        config: A checked configuration.
        client: Gives boto3's client of a service, a region and a role; either may be None.
        now: Seconds since 1970.
    """

    config: "JobConfig"
    client: Callable[[str, str | None, str | None], Any] = field(default=_client)
    now: Callable[[], float] = time.time
    _files: dict[str, TableFiles] = field(default_factory=dict, init=False, compare=False)

    def files_of(self, base_path: str) -> TableFiles:
        """Return the files of a table, listed once: of a large one that takes long.

        Raises:
            OSError: They can't be listed.
            SinkError: The path is neither local nor on S3.
        """
        if base_path not in self._files:
            self._files[base_path] = TableFiles.of(*open_path(base_path))
        return self._files[base_path]
