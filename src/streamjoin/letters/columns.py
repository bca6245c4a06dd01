"""The columns that dead letters have beside those of a record, and whether there are any: no Spark."""

from typing import Final

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError

ID_COLUMN: Final = "dead_letter_id"
REASON: Final = "reason"
DETAIL: Final = "detail"
ARRIVED: Final = "approximate_arrival_timestamp"
# The partition: the day of arrival (UTC). It never changes, so that a letter can't move to another.
DAY_COLUMN: Final = "dt"
NO_DAY: Final = "00000000"


def stream_name(stream: str) -> str:
    """Return what letters call the stream of a position: the name of a Kinesis stream, the ARN of a table's own."""
    return stream if ":table/" in stream else stream.rpartition("/")[2]


def has_commit(base_path: str) -> bool:
    """Say whether dead letters were ever written; a table without a commit can't be read.

    Raises:
        SinkError: The table's timeline can't be read.
    """
    filesystem, root = open_path(base_path)
    selector = fs.FileSelector(f"{root}/.hoodie", allow_not_found=True)
    try:
        return any(found.base_name.endswith(".commit") for found in filesystem.get_file_info(selector))
    except OSError as error:
        message = f"dead letters at {base_path}: their timeline can't be read: {error}"
        raise SinkError(message, retryable=True) from error
