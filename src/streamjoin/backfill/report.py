"""What a backfill has done, in numbers: progress lines while it reads, one summary at the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from streamjoin.dynamodb.read.item_files import Segment
from streamjoin.history.figures import BatchFigures
from streamjoin.streaming.report import line_of

# Source: aws.amazon.com/dynamodb/pricing/on-demand, table class Standard, us-east-1, 2025: $0.125 per million read
# request units. Other regions, and provisioned capacity, have other prices.
USD_PER_MILLION_READ_UNITS: Final = 0.125
_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class ScanTotals:
    """What the reading of all segments has come to.

    Args:
        scanned: Items read.
        selected: Items taken.
        incomparable: Items not taken since the filter found nothing in them that it could compare.
        scanned_bytes: Of the items read, packed.
        read_units: Read units consumed.
        segments_done: Segments read to their end.
        segments: All.
    """

    scanned: int = 0
    selected: int = 0
    incomparable: int = 0
    scanned_bytes: int = 0
    read_units: float = 0.0
    segments_done: int = 0
    segments: int = 0

    @classmethod
    def of(cls, finished: Iterable[Segment], begun: Iterable[Segment], segments: int) -> "ScanTotals":
        """Add up segments that were read to their end, and others that are being read."""
        done = list(finished)
        ended = {each.segment for each in done}
        every = [*done, *(each for each in begun if each.segment not in ended)]
        return cls(
            scanned=sum(each.scanned for each in every),
            selected=sum(each.selected for each in every),
            incomparable=sum(each.incomparable for each in every),
            scanned_bytes=sum(each.scanned_bytes for each in every),
            read_units=sum(each.read_units for each in every),
            segments_done=len(done),
            segments=segments,
        )


@dataclass(frozen=True)
class Progress:
    """How far the reading is.

    Args:
        job: The job's name.
        totals: What was read so far, also by starts before this one.
        seconds: Since this start began to read.
        items_before: Items that starts before this one had read.
        expected_items: How many there are in all; 0: not known. A table's count is up to six hours old.
    """

    job: str
    totals: ScanTotals
    seconds: float
    items_before: int
    expected_items: int

    @property
    def items_per_second(self) -> float:
        """The rate of this start."""
        return (self.totals.scanned - self.items_before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_seconds(self) -> float | None:
        """How long it will go on at this rate; None if that can't be told."""
        left = self.expected_items - self.totals.scanned
        if self.items_per_second <= 0 or left <= 0:
            return None
        return left / self.items_per_second

    def line(self) -> str:
        """Return the progress as `key=value` pairs."""
        left = self.left_seconds
        values = {
            "job": self.job,
            "backfill": "scanning",
            "items": self.totals.scanned,
            "of": self.expected_items or "unknown",
            "items_per_second": f"{self.items_per_second:.0f}",
            "selected": self.totals.selected,
            "read_units": f"{self.totals.read_units:g}",
            "segments": f"{self.totals.segments_done}/{self.totals.segments}",
            "left_seconds": "unknown" if left is None else f"{left:.0f}",
        }
        return line_of(values)


@dataclass
class Written:
    """What has been written by this start.

    Args:
        commits: How many.
        rows: Rows in them.
        superseded: Items that were removed meanwhile, as a tombstone tells.
        rejected: Dead letters.
    """

    commits: int = 0
    rows: int = 0
    superseded: int = 0
    rejected: int = 0

    def add(self, figures: BatchFigures) -> None:
        """Add those of a commit."""
        self.commits += 1
        self.rows += figures.kept
        self.superseded += figures.superseded
        self.rejected += figures.rejected


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill has come to.

    Args:
        job: The job's name.
        backfill_id: Names the backfill.
        read: What was read, also by starts before this one.
        written: What this start wrote.
        seconds: From this start to its end.
        is_complete: Whether all is done; else it was asked to stop, and the next start goes on.
    """

    job: str
    backfill_id: str
    read: ScanTotals
    written: Written
    seconds: float
    is_complete: bool = True

    @property
    def rows_per_second(self) -> float:
        """Rows by the time that the start took, reading included."""
        return self.written.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def read_units_per_million(self) -> float:
        """Read units for a million items read."""
        return self.read.read_units / self.read.scanned * _MILLION if self.read.scanned else 0.0

    @property
    def usd_per_million(self) -> float:
        """What reading a million items costs on demand, at the list price."""
        return self.read_units_per_million / _MILLION * USD_PER_MILLION_READ_UNITS

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers by their names."""
        return {
            "job": self.job,
            "backfill": self.backfill_id,
            "complete": self.is_complete,
            "scanned": self.read.scanned,
            "selected": self.read.selected,
            "incomparable": self.read.incomparable,
            "rows": self.written.rows,
            "superseded": self.written.superseded,
            "rejected": self.written.rejected,
            "commits": self.written.commits,
            "read_units": round(self.read.read_units, 1),
            "seconds": round(self.seconds, 1),
            "rows_per_second": round(self.rows_per_second),
            "read_units_per_million_items": round(self.read_units_per_million),
            "usd_per_million_items": round(self.usd_per_million, 4),
        }

    def line(self) -> str:
        """Return the report as `key=value` pairs."""
        return line_of(self.to_dict())
