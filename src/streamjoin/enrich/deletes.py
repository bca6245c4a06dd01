"""Events that delete their row: if one is the newest of its key, there is none, whatever comes late."""

from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.enrich.derive import TRIED, tried
from streamjoin.enrich.order import ORDERING_COLUMN, SEQUENCE_COLUMN, sequence_order
from streamjoin.errors import RejectReason, SchemaError
from streamjoin.hudi.late_changes import mark_late, removals
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.records.events import Events, Judgement

TOMBSTONE_HOURS: Final = 24.0

# The least bigint: what is added to an ordering value has no sign.
_LEAST: Final = 2**63
_DIGITS: Final = 20


@dataclass(frozen=True, eq=False)
class Deletion:
    """How a job deletes rows.

    Args:
        when: SQL over the event's own columns: where it is true, the event deletes its row.
        record_key: The table's.
        tombstones: The table's.
    """

    when: str
    record_key: tuple[str, ...]
    tombstones: Tombstones

    def mark(self, events: Events) -> Events:
        """Tell which events delete, by the columns that they have as they are decoded.

        Columns out: also `_hoodie_is_deleted` (boolean, never null).
        Reasons: EXPRESSION_FAILED.

        Raises:
            SchemaError: The expression can't be parsed, names a column that isn't there, or is not boolean.
        """
        # In parentheses, or a word too many would be taken for a name of the result; a comment ends with its line.
        found, data_type = tried(events, f"({self.when}\n)", self._named)
        if not isinstance(data_type, T.BooleanType):
            message = (
                f"{self._named} is of type {data_type.simpleString()}; allowed: an expression that is true or false, "
                "such as operation = 'delete'"
            )
            raise SchemaError(message)
        detail = F.lit("sink.hudi.delete_when: the expression raises an error for this event")
        failed = Judgement(F.col(TRIED).isNull(), RejectReason.EXPRESSION_FAILED, detail)
        marked = found.judge([failed], {IS_DELETED: F.coalesce(F.col(f"{TRIED}.value"), F.lit(False))})
        return Events(marked.frame.drop(TRIED))

    def without_late(self, events: Events) -> Events:
        """Mark as superseded what is older than a deletion of its row.

        Columns in: the record key, `_ordering_us`, `_sequence_number`, `_hoodie_is_deleted`.
        """
        # Without a place in a shard what comes later is the newer one on a tie, as in Hudi: after any tombstone.
        return mark_late(events, self.tombstones, self._key(), _order(without_place="~"))

    def remember(self, rows: DataFrame, batch_id: str) -> None:
        """Write tombstones of the deletions among `rows`, before the commit that deletes them.

        Columns in: as `without_late`.
        Delivery: all of them, or none; a repeat overwrites them by the same. Without their commit they do no harm: the
            deletions come again.

        Raises:
            SinkError: They can't be written; the rows must not be deleted.
        """
        self.tombstones.add(removals(rows, self._key(), _order(without_place="")), batch_id)

    @property
    def _named(self) -> str:
        return f"sink.hudi.delete_when: {self.when!r}"

    def _key(self) -> Column:
        return F.to_json(F.array(*(F.col(f"`{column}`").cast("string") for column in self.record_key)))


def _order(*, without_place: str) -> Column:
    """Return text that is ordered as events of one key are; it begins with no digit, which would tell a time."""
    unsigned = F.col(ORDERING_COLUMN).cast("decimal(20,0)") + F.lit(str(_LEAST)).cast("decimal(20,0)")
    place = sequence_order(F.col(SEQUENCE_COLUMN))
    text = F.concat_ws("/", place["number"], F.lpad(place["sub"].cast("string"), _DIGITS, "0"))
    known = F.when(F.col(SEQUENCE_COLUMN).isNotNull(), text).otherwise(F.lit(without_place))
    return F.concat(F.lit("o"), F.lpad(unsigned.cast("string"), _DIGITS, "0"), F.lit("/"), known)
