"""Changes of a table that can't be its rows, found without a commit to it; those of other tables go on."""

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame

from streamjoin.capture.fitting import fitted
from streamjoin.capture.table import CapturedTable
from streamjoin.errors import SinkError
from streamjoin.hudi.table import HudiTable
from streamjoin.records.events import Events
from streamjoin.records.values import Rejected
from streamjoin.streaming.unwritable import Written, find_unwritable, upserted


def unwritable_rows(
    table: CapturedTable,
    rows: Events,
    failed: SinkError,
    *,
    batch_id: str,
    row_id: Column,
    write: Callable[[DataFrame, HudiTable], None] = upserted,
) -> Mapping[str, Rejected]:
    """Return the rows by which a commit has failed, by id, as `find_unwritable`.

    Args:
        table: The table.
        rows: What the commit was of, as the table's `rows` gives them.
        failed: What it raised.
        batch_id: Names the batch.
        row_id: What a row is known by.
        write: Writes rows into a table, as the commit did.

    Raises:
        SinkError: It is not the rows.
    """

    def written(frame: DataFrame) -> DataFrame:
        found = table.latest(Events(frame))
        return fitted(found, table.fitting(found))

    with table.turn():
        return find_unwritable(failed, Written(batch_id, table.table, rows.newest, row_id, written, write))
