"""Rows that are in a table twice, since their partition changed though it was promised that none does."""

from collections.abc import Iterator

import pyarrow.compute as pc

from streamjoin.hudi.table_folder import is_table
from streamjoin.query.reading import read_table
from streamjoin.verify.report import Violation, ViolationKind

_KEY = "_hoodie_record_key"


def rows_twice(base_path: str) -> Iterator[Violation]:
    """Yield what is wrong with a table that has more rows than record keys; reads the keys of all its rows.

    Args:
        base_path: The table's; it need not be there yet.

    Raises:
        SinkError: It can't be read.
        OSError: It can't be looked at.
    """
    if not is_table(base_path):
        return
    keys = read_table(base_path, [_KEY])[_KEY]
    known = pc.count_distinct(keys).as_py()
    if known < len(keys):
        text = (
            f"table at {base_path} has {len(keys)} rows of {known} record keys: rows have moved to another partition, "
            "though sink.hudi.partitions says fixed. Set may_move, which keeps one row a key from then on, and delete "
            "the older row of each key"
        )
        yield Violation(ViolationKind.ROWS_TWICE, text)
