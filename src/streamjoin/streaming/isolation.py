"""Single records that a batch can't be made of: found by halves, set aside, and the batch begun again without them."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.errors import RejectReason, SchemaError, SourceError, StreamJoinError
from streamjoin.hudi.write import root_cause
from streamjoin.records.decode import record_struct
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, RECORD_COLUMN, Events, Judgement, nothing_yet
from streamjoin.records.values import Rejected
from streamjoin.spark.failures import error_name, may_pass, worker_text

log = logging.getLogger(__name__)

# More than that is not the data. Each costs a few computations or writes of ever smaller parts of the batch: with a
# hundred of them in a batch the search takes minutes (docs/adr/0026-taken-apart-in-halves.md).
MOST_FAILING: Final = 100

T = TypeVar("T")


class FailedRecords(Exception):
    """Records that were found to fail, by their ids.

    Args:
        events: Those that became events.
        records: Those that could not even be decoded.
    """

    def __init__(
        self, events: Mapping[str, Rejected] | None = None, records: Mapping[str, Rejected] | None = None
    ) -> None:
        super().__init__("some records of the batch can't be used")
        self.events, self.records = dict(events or {}), dict(records or {})


class TooManyError(Exception):
    """So many items fail that it can't be they.

    Args:
        error: The last one's.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"more than {MOST_FAILING} fail")
        self.error = error


@dataclass(frozen=True)
class SetAside:
    """What a batch does without.

    Args:
        events: Events, by the id of their record.
        records: Records that are not decoded, by id.
    """

    events: Mapping[str, Rejected] = field(default_factory=dict)
    records: Mapping[str, Rejected] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events) + len(self.records)

    def and_also(self, other: "SetAside | FailedRecords") -> "SetAside":
        """Return both together."""
        return SetAside({**self.events, **other.events}, {**self.records, **other.records})

    def decoded(
        self,
        records: DataFrame,
        decode: Callable[[DataFrame], Events],
        id_of: Callable[[str | None], Column],
        *,
        keep: Sequence[str] = (),
    ) -> Events:
        """Return what `decode` makes of all records but those; they are rejected, and have no values.

        Args:
            records: Those of the batch.
            decode: Makes events of records.
            id_of: Gives the id of a record: of the frame's own columns (None), or of a struct.
            keep: As in `judged`.
        """
        if not self.records:
            return self.judged(decode(records), id_of(RECORD_COLUMN), keep=keep)
        is_aside = id_of(None).isin(list(self.records))
        events = self.judged(decode(records.where(~is_aside)), id_of(RECORD_COLUMN), keep=keep)
        reason, detail = _verdicts(self.records, id_of(None))
        aside = records.where(is_aside).select(
            record_struct(records.schema), reason.alias(REASON_COLUMN), detail.alias(DETAIL_COLUMN), *nothing_yet()
        )
        return Events(events.frame.unionByName(aside, allowMissingColumns=True))

    def judged(self, events: Events, event_id: Column, *, keep: Sequence[str] = ()) -> Events:
        """Return `events`, those that were set aside rejected and without values but for the columns `keep`."""
        if not self.events:
            return events
        is_aside = event_id.isin(list(self.events))
        _, detail = _verdicts(self.events, event_id)
        judgements = [
            Judgement(
                event_id.isin([key for key, each in self.events.items() if each.reason is reason]), reason, detail
            )
            for reason in dict.fromkeys(each.reason for each in self.events.values())
        ]
        emptied = {name: F.when(~is_aside, F.col(f"`{name}`")) for name in events.columns if name not in keep}
        return events.judge(judgements, emptied)

    def left_of(self, records: DataFrame, record_id: Column) -> DataFrame:
        """Return the records that weren't set aside."""
        aside = [*self.events, *self.records]
        return records.where(~record_id.isin(aside)) if aside else records


def isolating(batch_id: str, attempt: Callable[[SetAside], T]) -> T:
    """Do `attempt`, and again each time that it finds records without which it would go on.

    Args:
        batch_id: Names the batch in the log.
        attempt: Takes the batch to its end without those set aside; or raises `FailedRecords`, with nothing committed
            that another attempt doesn't overwrite with the same.

    Raises:
        SourceError: It found too many.
        StreamJoinError: As `attempt`.
    """
    aside = SetAside()
    while True:
        try:
            return attempt(aside)
        except FailedRecords as failed:
            found = {**failed.records, **failed.events}
            aside = aside.and_also(failed)
            reasons = Counter(f"{each.reason.value} ({each.detail})" for each in found.values())
            log.warning(
                "batch=%s goes on without %d records that fail by themselves: %s; the first: %s",
                *(batch_id, len(found), "; ".join(f"{n} {text}" for text, n in reasons.items()), min(found)),
            )
            if len(aside) > MOST_FAILING:
                raise too_many(batch_id, len(aside), "; ".join(reasons)) from failed


def too_many(batch_id: str, count: int | None, what: str) -> SourceError:
    """Return the error of a batch in which so many records fail that it isn't they."""
    number = f"more than {MOST_FAILING}" if count is None else str(count)
    message = (
        f"batch '{batch_id}': {number} of its records fail by themselves ({what}), at most {MOST_FAILING} of a batch "
        "are set aside. So it isn't single records. Nothing of it was committed; look at the schema, the expressions "
        "and the sink's options, and start again."
    )
    return SourceError(message)


def find_failing(items: Sequence[T], error_of: Callable[[Sequence[T]], Exception | None]) -> dict[T, Exception]:
    """Return those of `items` that fail by themselves, with their errors; all together they are known to fail.

    Args:
        items: In any order; only neighbours are tried together.
        error_of: Tries some of them.

    Raises:
        TooManyError: They are more than `MOST_FAILING`.
    """
    found = dict[T, Exception]()
    left: list[tuple[Sequence[T], Exception | None]] = [(items, None)]
    while left:
        some, known = left.pop()
        if len(some) > 1:
            first, second = some[: len(some) // 2], some[len(some) // 2 :]
            in_first = error_of(first)
            in_second = error_of(second) if in_first is not None else None
            if in_first is not None:
                left.append((first, in_first))
            # If the first half is good it is the second: which is seen when that is down to one.
            if in_first is None or in_second is not None:
                left.append((second, in_second))
        elif some and (error := known or error_of(some)) is not None:
            found[some[0]] = error
            if len(found) > MOST_FAILING:
                raise TooManyError(error)
    return found


@dataclass(frozen=True)
class Undecoded:
    """Records before they are events: for those that no event can be made of.

    Args:
        records: Those of a batch, without what was set aside.
        decode: Makes events of records.
        record_id: The id of each.
    """

    records: DataFrame
    decode: Callable[[DataFrame], Events]
    record_id: Column


def not_computed(
    error: Exception,
    batch_id: str,
    events: Events,
    event_id: Column,
    compute: Callable[[Events], object],
    undecoded: Undecoded | None = None,
) -> Exception:
    """Return what to raise when Spark couldn't compute a batch: `FailedRecords`, or that it is not the records.

    Args:
        error: What Spark raised.
        batch_id: Names the batch.
        events: The batch's.
        event_id: The id of each event's record.
        compute: Computes all that is made of events.
        undecoded: What the events are made of, if their making may fail.
    """
    if may_pass(error):
        return _not_of_records(error, batch_id)
    if isinstance(error, AnalysisException):
        message = f"batch '{batch_id}': its columns don't fit together: {error_name(error)}; nothing was committed"
        return SchemaError(message)
    kept = events.frame.where(F.col(REASON_COLUMN).isNull())
    try:
        try:
            ids = ids_of(kept, event_id)
        except (PySparkException, Py4JError):
            if undecoded is None:
                raise
            records, record_id, decode = undecoded.records, undecoded.record_id, undecoded.decode
            ids = ids_of(records, record_id)
            found = _failing(records, record_id, ids, lambda part: compute_all(decode(part).frame))
            return FailedRecords(records=found) if found else _not_of_records(error, batch_id)
        found = _failing(kept, event_id, ids, lambda part: compute(Events(part)))
    except TooManyError as many:
        return too_many(batch_id, None, error_name(many.error))
    except (PySparkException, Py4JError) as other:
        return _not_of_records(other, batch_id)
    return FailedRecords(events=found) if found else _not_of_records(error, batch_id)


def ids_of(frame: DataFrame, record_id: Column) -> list[str]:
    """Return the ids of a frame's rows, each once, in the order by which `part_of` divides them."""
    return sorted({str(row[0]) for row in frame.select(record_id).collect()})


def part_of(frame: DataFrame, record_id: Column, ids: Sequence[str]) -> DataFrame:
    """Return the rows of neighbouring ids."""
    return frame.where(record_id.between(ids[0], ids[-1]))


def compute_all(frame: DataFrame) -> None:
    """Compute every column of every row, and keep nothing."""
    frame.write.format("noop").mode("overwrite").save()


def _failing(
    frame: DataFrame, record_id: Column, ids: Sequence[str], compute: Callable[[DataFrame], object]
) -> dict[str, Rejected]:
    def error_of(some: Sequence[str]) -> Exception | None:
        try:
            compute(part_of(frame, record_id, some))
        except (PySparkException, Py4JError) as error:
            if may_pass(error):
                raise
            return error
        except StreamJoinError as error:
            cause = error.__cause__
            if not isinstance(cause, Exception) or may_pass(cause):
                raise
            return cause
        return None

    return {
        key: Rejected(RejectReason.NOT_COMPUTABLE, f"no row can be computed of it: {error_name(error)}")
        for key, error in find_failing(ids, error_of).items()
    }


def _not_of_records(error: Exception, batch_id: str) -> SourceError:
    # What a service says quotes no record.
    said = (worker_text(error) or root_cause(error)) if may_pass(error) else error_name(error)
    message = f"batch '{batch_id}': its rows can't be computed: {said}; nothing was committed"
    found = SourceError(message, retryable=True)
    found.__cause__ = error
    return found


def _verdicts(aside: Mapping[str, Rejected], record_id: Column) -> tuple[Column, Column]:
    reasons = F.create_map(*(F.lit(text) for key, each in aside.items() for text in (key, each.reason.value)))
    details = F.create_map(*(F.lit(text) for key, each in aside.items() for text in (key, each.detail)))
    return reasons[record_id], details[record_id]
