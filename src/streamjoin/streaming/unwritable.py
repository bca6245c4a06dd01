"""Rows that Hudi can't write, found without a commit to their table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.errors import RejectReason, SinkError
from streamjoin.hudi.scratch import scratch_writes
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.write import upsert
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.records.values import Rejected
from streamjoin.spark.failures import error_name, may_pass
from streamjoin.spark.frames import quoted
from streamjoin.streaming.isolation import TooManyError, find_failing, ids_of, part_of, too_many


def upserted(rows: DataFrame, table: HudiTable) -> None:
    """Write rows as a batch's commit does."""
    upsert(rows, table, commit_metadata={})


@dataclass(frozen=True)
class Written:
    """What was to be written when a write failed.

    Args:
        batch_id: Names the batch.
        table: Where it was to go; no other process may be writing it.
        candidates: A row for each that is written, with what `row_id` needs.
        row_id: What a row is known by.
        rows: Makes of candidates what was written.
        write: Wrote it.
    """

    batch_id: str
    table: HudiTable
    candidates: DataFrame
    row_id: Column
    rows: Callable[[DataFrame], DataFrame]
    write: Callable[[DataFrame, HudiTable], None] = upserted


def find_unwritable(failed: SinkError, written: Written) -> Mapping[str, Rejected]:
    """Return the rows by which a write has failed, by id, each with its column if that is known.

    All rows are written again, by the same options, into a table that is made for it and removed again; if that fails
    too, ever smaller parts of them are. So what the table itself has is not asked.

    Delivery: the table stays as it is.

    Args:
        failed: What the write raised.
        written: What it was of.

    Raises:
        SinkError: It is not the rows: `failed`, or that no row at all can be written by these options.
        SourceError: So many fail that it isn't they.
    """
    if failed.__cause__ is None or may_pass(failed.__cause__):
        raise failed
    with scratch_writes(written.table, written.write) as attempt:
        search = _Search(failed, written, attempt)
        if search.error_of(written.candidates) is None:
            raise failed
        if (error := search.error_of(written.candidates.limit(0))) is not None:
            message = f"{failed}; nor can a table without rows be written: {error_name(error)}"
            raise SinkError(message) from error
        try:
            found = find_failing(
                ids_of(written.candidates, written.row_id),
                lambda ids: search.error_of(part_of(written.candidates, written.row_id, ids)),
            )
        except TooManyError as many:
            raise too_many(written.batch_id, None, f"{RejectReason.UNWRITABLE}: {error_name(many.error)}") from failed
        if not found:
            raise failed
        return {key: search.verdict(key, error) for key, error in found.items()}


class _Search:
    def __init__(self, failed: SinkError, written: Written, attempt: Callable[[DataFrame], SinkError | None]) -> None:
        self._failed, self._written, self._attempt = failed, written, attempt
        self._suspects: tuple[str, ...] = ()

    def error_of(self, candidates: DataFrame) -> Exception | None:
        """Return why candidates can't be written.

        Raises:
            SinkError: The failed one, for what comes in between may pass.
        """
        return self._error_of(self._written.rows(candidates))

    def verdict(self, key: str, error: Exception) -> Rejected:
        """Return why the row of this id is rejected, with the columns whose values are the reason."""
        rows = self._written.rows(part_of(self._written.candidates, self._written.row_id, [key]))
        fixed = {*self._written.table.record_key, *self._written.table.partition_by, self._written.table.ordering}
        others = [name for name in rows.columns if name not in fixed and name != IS_DELETED]

        def with_only(names: Sequence[str]) -> Exception | None:
            left = [F.col(quoted(f.name)) if f.name in fixed or f.name == IS_DELETED or f.name in names
                    else F.lit(None).cast(f.dataType).alias(f.name) for f in rows.schema.fields]  # fmt: skip
            return self._error_of(rows.select(*left))

        # Rows of one batch mostly fail by the same column.
        if not self._suspects or with_only(self._suspects) is None:
            in_key = with_only(()) is not None
            self._suspects = () if in_key else self._columns(others, with_only)
        where = ", ".join(f"'{name}'" for name in self._suspects)
        column = f"column {where}" if where else "record key, ordering, partition, or several columns together"
        return Rejected(RejectReason.UNWRITABLE, f"Hudi can't write it: {column}: {error_name(error)}")

    def _columns(self, names: Sequence[str], error_of: Callable[[Sequence[str]], Exception | None]) -> tuple[str, ...]:
        try:
            return tuple(find_failing(names, error_of))
        except TooManyError:
            return ()

    def _error_of(self, rows: DataFrame) -> Exception | None:
        error = self._attempt(rows)
        if error is None:
            return None
        cause = error.__cause__
        if not isinstance(cause, Exception) or may_pass(cause):
            raise self._failed
        return cause
