"""A captured table beside its source: which items differ from their rows, and until when."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from streamjoin.errors import StreamJoinError

PATIENCE_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.5

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


def wait_until_equal(
    differing: Callable[[], int],
    check_running: Callable[[], None],
    on_progress: Callable[[int], Any],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Return 0 when nothing differs any more.

    Args:
        differing: Returns how many items differ from their rows.
        check_running: Raises when nobody writes any more.
        on_progress: Called with each count.
        clock: Seconds that only go forward.
        sleep: Waits a number of seconds.

    Raises:
        StreamJoinError: Ten minutes passed, and the count did not fall.
    """
    least, since = differing(), clock()
    while (left := differing()) > 0:
        check_running()
        if left < least:
            least, since = left, clock()
        if clock() - since > PATIENCE_SECONDS:
            message = f"{left:,} items still differ from their rows, and for {PATIENCE_SECONDS:.0f} s no fewer did"
            raise StreamJoinError(message)
        on_progress(left)
        sleep(POLL_SECONDS)
    on_progress(0)
    return 0


def items_by_key(
    client: Any, table_name: str, row: Callable[[Mapping[str, Any]], tuple[_Key, _Row]]
) -> dict[_Key, _Row]:
    """Return what a DynamoDB table holds, each item as `row` has it: its key, and what its row must have."""
    pages = client.get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True)
    return dict(row(item) for page in pages for item in page["Items"])
