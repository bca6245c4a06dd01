"""Tombstones: which items were removed lately, and when, so that a change which comes late doesn't bring one back.

A deleted row leaves nothing in a Hudi table that an older change could be compared with. So its order is kept beside
the table, in `<base_path>/.hoodie/.streamjoin/tombstones/`, where neither Hudi nor its readers look.
"""

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.records.change_columns import ITEM_KEY, ORDER
from streamjoin.spark.frames import frame_of

_PLACE: Final = ".hoodie/.streamjoin/tombstones"
_ENDING: Final = ".parquet"
_EXPIRES: Final = "expires_at_us"
_COLUMNS: Final[dict[str, pa.DataType]] = {ITEM_KEY: pa.string(), ORDER: pa.string(), _EXPIRES: pa.int64()}
_SCHEMA: Final = pa.schema(_COLUMNS)
_HOUR_US: Final = 3_600_000_000
# The order of a change begins with its time.
_TIME_DIGITS: Final = 17
# Files, or tombstones that came since, that are put together once there are so many.
_FILES: Final = 100
_RECENT: Final = 10_000
_THREADS: Final = 16
# A reader that met the putting together begins again.
_READ_ATTEMPTS: Final = 5


class Tombstones:
    """The tombstones of one table: of each removed item the order of its newest removal.

    Only the holder of the table's lock adds; any process may read. They take about 200 bytes an item in the driver.

    Invariant: `_base` and `_recent` have each item once, and `_recent` the newer removal if both have it.

    One that has expired is passed over, but stays on disk while it is needed: a change that was set aside before may be
    fed in again after any time.

    Args:
        base_path: The table's.
        hours: How long one counts at least, from the removal or from when it was written, whichever is later.
        clock: Seconds since 1970.
        needed_since_us: Asked if some have expired: those stay that counted then (microseconds since 1970); None: all.
        whole: Whether those that have expired count too.

    Raises:
        SinkError: The path is neither local nor on S3.
    """

    def __init__(
        self,
        base_path: str,
        hours: float,
        *,
        clock: Callable[[], float] = time.time,
        needed_since_us: Callable[[], int | None] = lambda: None,
        whole: bool = False,
    ) -> None:
        self._base_path, self._kept_us, self._clock = base_path, round(hours * _HOUR_US), clock
        self._needed_since_us, self._whole = needed_since_us, whole
        self._filesystem, root = open_path(base_path)
        self._folder = f"{root}/{_PLACE}"
        self._base, self._recent = _SCHEMA.empty_table(), _SCHEMA.empty_table()
        self._files: set[str] = set()
        self._base_frame: DataFrame | None = None
        self._frame: DataFrame | None = None

    def open(self) -> None:
        """Read what is there, again after another process may have written; what is no longer needed is deleted.

        Raises:
            SinkError: It can't be read.
        """
        with self._store_errors("read"):
            found = self._read_all()
            needed = self._needed(found)
            self._delete(name for name, table in needed.items() if not table.num_rows)
        self._files = {name for name, table in needed.items() if table.num_rows}
        self._rebase(map(self._alive, needed.values()))

    def add(self, removed: pa.Table, batch_id: str) -> None:
        """Write the removals of a batch, before the commit that deletes their rows.

        Delivery: all of them, or none. A repeat of the batch overwrites them by the same.

        Args:
            removed: Columns `_item_key`, `_order`.
            batch_id: Of the batch.

        Raises:
            SinkError: They can't be written; the rows must not be deleted.
        """
        if removed.num_rows == 0:
            return
        added = _newest_of([self._dated(removed)])
        # By its content too: a caller who names the batches of a frame may name two alike.
        content = json.dumps([added[ITEM_KEY].to_pylist(), added[ORDER].to_pylist()])
        name = f"{quote(batch_id, safe='')}-{hashlib.sha256(content.encode()).hexdigest()[:12]}{_ENDING}"
        with self._store_errors("written"):
            self._put(name, added)
            self._files.add(name)
            self._take_in(added)
            if len(self._files) > _FILES:
                self._put_together()
        if self._recent.num_rows > _RECENT:
            self._rebase([self._alive(self._base), self._recent])

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not (self._base.num_rows or self._recent.num_rows)

    def frame(self, spark: SparkSession) -> DataFrame | None:
        """Return the newest removal of each item; None if there is none, so that nothing need be joined.

        Columns out: `_item_key`, `_order`; one row an item.
        """
        if self.is_empty:
            return None
        if self._frame is None:
            recent = frame_of(spark, self._recent.drop_columns(_EXPIRES))
            if self._base_frame is None and self._base.num_rows:
                self._base_frame = frame_of(spark, self._base.drop_columns(_EXPIRES)).persist()
            if self._base_frame is None:
                self._frame = recent
            elif not self._recent.num_rows:
                self._frame = self._base_frame
            else:
                # The many are not made again for the few that each batch brings.
                replaced = F.broadcast(recent.select(ITEM_KEY))
                self._frame = self._base_frame.join(replaced, ITEM_KEY, "left_anti").unionByName(recent)
        return self._frame

    def _take_in(self, added: pa.Table) -> None:
        """Make `added` recent, with what the base says of the same items."""
        known = self._base.filter(pc.is_in(self._base[ITEM_KEY], added[ITEM_KEY].combine_chunks()))
        self._recent = _newest_of([self._recent, added, known])
        self._frame = None

    def _rebase(self, tables: Iterable[pa.Table]) -> None:
        self._base, self._recent = _newest_of(tables), _SCHEMA.empty_table()
        if self._base_frame is not None:
            self._base_frame.unpersist()
        self._base_frame = self._frame = None

    def _put_together(self) -> None:
        """Make one file of all. What a process leaves that dies in between says the same twice."""
        found = self._read_all()
        together = _newest_of(self._needed(found).values())
        name = f"until-{self._now_us()}{_ENDING}"
        if together.num_rows:
            self._put(name, together)
        self._delete(each for each in found if each != name)
        self._files = {name} if together.num_rows else set()
        self._rebase([self._alive(together)])

    def _dated(self, removed: pa.Table) -> pa.Table:
        written_us = self._now_us()
        times = (str(order)[:_TIME_DIGITS] for order in removed[ORDER].to_pylist())
        removed_us = [int(text) if text.isascii() and text.isdecimal() else written_us for text in times]
        expires = pa.array([max(each, written_us) + self._kept_us for each in removed_us], pa.int64())
        return removed.select([ITEM_KEY, ORDER]).append_column(_EXPIRES, expires).cast(_SCHEMA)

    def _needed(self, found: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Return of each file what counts still, or is needed for a change that may be fed in again."""
        now_us = self._now_us()
        if all(_counting(table, now_us).num_rows == table.num_rows for table in found.values()):
            return dict(found)
        since_us = self._needed_since_us()
        if since_us is None:
            return dict(found)
        return {name: _counting(table, min(since_us, now_us)) for name, table in found.items()}

    def _alive(self, table: pa.Table) -> pa.Table:
        return table if self._whole else _counting(table, self._now_us())

    def _now_us(self) -> int:
        return round(self._clock() * 1_000_000)

    def _read_all(self) -> dict[str, pa.Table]:
        """Return the files, by name."""
        for _ in range(_READ_ATTEMPTS):
            found = self._filesystem.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
            names = [each.base_name for each in found if each.base_name.endswith(_ENDING)]
            with ThreadPoolExecutor(_THREADS) as pool:
                contents = list(pool.map(lambda name: get_object(self._filesystem, f"{self._folder}/{name}"), names))
            if None not in contents:
                return {
                    name: pq.read_table(io.BytesIO(content)).cast(_SCHEMA)
                    for name, content in zip(names, contents, strict=True)
                    if content is not None
                }
        message = f"table at {self._base_path}: its tombstones were put together again and again while they were read"
        raise SinkError(message, retryable=True)

    def _put(self, name: str, tombstones: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(tombstones, content)
        put_object(self._filesystem, f"{self._folder}/{name}", content.getvalue())

    def _delete(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self._delete_one, names))

    def _delete_one(self, name: str) -> None:
        try:
            self._filesystem.delete_file(f"{self._folder}/{name}")
        except FileNotFoundError:
            return

    @contextmanager
    def _store_errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowInvalid) as error:
            message = f"table at {self._base_path}: its tombstones '{self._folder}' can't be {done}: {error}"
            raise SinkError(message, retryable=True) from error


def _counting(table: pa.Table, at_us: int) -> pa.Table:
    """Return those that have not expired at a time."""
    return table.filter(pc.greater(table[_EXPIRES], pa.scalar(at_us, pa.int64())))


def _newest_of(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the newest removal of each item.

    By sorting: older versions of Arrow know no greatest text of a group.
    """
    together = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    if together.num_rows == 0:
        return together
    together = together.sort_by([(ITEM_KEY, "ascending"), (ORDER, "descending"), (_EXPIRES, "descending")])
    keys = together[ITEM_KEY].combine_chunks()
    is_other = pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1))
    return together.filter(pa.chunked_array([pa.array([True]), is_other]))
