"""The two outputs that every transform has: events kept, and records rejected with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.errors import RejectReason
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.spark.schema import RECORD_STRUCT

# Reserved columns that travel beside an event's own until the event is written.
RECORD_COLUMN = "_record"
REASON_COLUMN = "_reason"
DETAIL_COLUMN = "_detail"
SUPERSEDED_COLUMN = "_superseded"
UNMATCHED_COLUMN = "_unmatched"
RESERVED_COLUMNS = (RECORD_COLUMN, REASON_COLUMN, DETAIL_COLUMN, SUPERSEDED_COLUMN, UNMATCHED_COLUMN)


def nothing_yet() -> list[Column]:
    """Return the columns that later steps fill in."""
    return [F.lit(False).alias(SUPERSEDED_COLUMN), F.array().cast("array<string>").alias(UNMATCHED_COLUMN)]


def is_deletion(frame: DataFrame) -> Column:
    """Return whether an event deletes its row; of a frame that doesn't tell, none does."""
    return F.col(IS_DELETED) if IS_DELETED in frame.columns else F.lit(False)


@dataclass(frozen=True)
class Judgement:
    """What rejects an event.

    Args:
        condition: A null counts as false.
        reason: Why.
        detail: What was observed against what was expected.
    """

    condition: Column
    reason: RejectReason
    detail: Column


@dataclass(frozen=True)
class Events:
    """Events and rejects of one batch in one frame, a row for every record, whatever became of it.

    Keeping both in one frame makes `records read = kept + rejected` true by construction, and lets one cached frame
    serve the join, the dead letters and the counts.

    Args:
        frame: Columns: the event's own; `_record` (struct, where it came from), `_reason` (null while kept), `_detail`,
            `_unmatched` (array: the references without a row for it), `_superseded` (a newer event of its key is here).
    """

    frame: DataFrame

    @classmethod
    def of(cls, frame: "DataFrame | Events") -> "Events":
        """Return `frame` as events that are all kept, unless it is `Events` already.

        A frame from elsewhere (a notebook, Glue's `forEachBatch`) need not have any of the reserved columns.
        """
        if isinstance(frame, Events):
            return frame
        if all(name in frame.columns for name in RESERVED_COLUMNS):
            return cls(frame)
        unknown = [
            F.lit(None).cast(RECORD_STRUCT).alias(RECORD_COLUMN),
            F.lit(None).cast("string").alias(REASON_COLUMN),
            F.lit(None).cast("string").alias(DETAIL_COLUMN),
        ]
        return cls(frame.drop(*RESERVED_COLUMNS).select("*", *unknown, *nothing_yet()))

    @property
    def columns(self) -> list[str]:
        """The names of the event's own columns."""
        return [c for c in self.frame.columns if c not in RESERVED_COLUMNS]

    @property
    def kept(self) -> DataFrame:
        """The events that go on. Columns out: the event's own."""
        return self.frame.where(F.col(REASON_COLUMN).isNull()).drop(*RESERVED_COLUMNS)

    @property
    def latest(self) -> DataFrame:
        """The newest event of each record key, once `mark_superseded` has told. Columns out: the event's own."""
        return self.newest.drop(*RESERVED_COLUMNS)

    @property
    def newest(self) -> DataFrame:
        """The same with all columns, the reserved ones too."""
        return self.frame.where(F.col(REASON_COLUMN).isNull() & ~F.col(SUPERSEDED_COLUMN))

    @property
    def rejected(self) -> DataFrame:
        """The dead letters. Columns out: those of a record, `reason`, `detail`."""
        return self.frame.where(F.col(REASON_COLUMN).isNotNull()).select(
            f"{RECORD_COLUMN}.*", F.col(REASON_COLUMN).alias("reason"), F.col(DETAIL_COLUMN).alias("detail")
        )

    def with_columns(self, columns: Mapping[str, Column]) -> "Events":
        """Return these events with `columns` added or replaced."""
        return replace(self, frame=self.frame.withColumns(dict(columns)))

    def judge(self, judgements: Sequence[Judgement], columns: Mapping[str, Column] | None = None) -> "Events":
        """Return these events judged: the first judgement that holds rejects one, unless an earlier step did.

        Args:
            judgements: What rejects, in order.
            columns: Columns to add or replace in the same step; the judgements see the event as it was before.
        """
        reasons = [F.when(j.condition, F.lit(j.reason.value)) for j in judgements]
        details = [F.when(j.condition, j.detail) for j in judgements]
        kept = F.col(REASON_COLUMN).isNull()
        verdict = {
            REASON_COLUMN: F.coalesce(F.col(REASON_COLUMN), *reasons),
            DETAIL_COLUMN: F.when(kept, F.coalesce(*details, F.lit(None))).otherwise(F.col(DETAIL_COLUMN)),
        }
        return self.with_columns({**(columns or {}), **(verdict if judgements else {})})
