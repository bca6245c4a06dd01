"""A payload with several events to payloads of one event each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from threading import get_ident
from typing import Final, Literal

import pyarrow as pa

from streamjoin.records.compression import Unpacker
from streamjoin.records.csv_rows import CsvRows
from streamjoin.records.json_path import Event, JsonPath
from streamjoin.records.text import without_mark
from streamjoin.records.values import Rejected

MAX_EVENTS: Final = 100_000
"""How many events a payload may have: each takes far more memory than its text."""

_MAX_PART_BYTES: Final = 32 * 1024 * 1024
_DATA: Final = "data"
_SUB: Final = "sub_sequence_number"


@dataclass(frozen=True)
class Splitter:
    """Takes payloads apart. A plain value that travels to the executors.

    What can't be taken apart stays whole: the decoder says what is wrong with it. A payload with one event stays as it
    is. Each of several is a payload again, which has that event alone and stays whole from then on.

    Args:
        name: The format.
        path: Of json, where events are.
        columns: Of csv, the names that a header has.
        delimiter: Of csv, what stands between two fields.
        max_unpacked_bytes: What is larger, once gzip or zstd is undone, stays whole.
    """

    name: Literal["json", "csv"]
    path: str | None
    columns: tuple[str, ...]
    delimiter: str
    max_unpacked_bytes: int

    def __call__(self, payloads: Sequence[bytes]) -> list[list[bytes]]:
        """Return the payloads of the events of each of `payloads`, which came in one record of the stream."""
        return split_record(payloads, self.parts, self.max_unpacked_bytes)

    def parts(self, payload: bytes) -> list[bytes]:
        """Return the payloads of the events of one payload; none if it says that it has none."""
        content = _unpacker(self.max_unpacked_bytes, get_ident())(payload)
        content = content if isinstance(content, Rejected) else without_mark(content)
        if isinstance(content, Rejected) or not content.strip():
            return [payload]
        events = list(islice(self.events(content), MAX_EVENTS + 1))
        return [event.data for event in events] if len(events) != 1 and len(events) <= MAX_EVENTS else [payload]

    def events(self, content: bytes) -> Iterator[Event]:
        """Yield the events of a payload that is unpacked and has no byte order mark."""
        return _finder(self.name, self.path, self.columns, self.delimiter)(content)


def split_record(
    payloads: Sequence[bytes], parts_of: Callable[[bytes], list[bytes]], max_unpacked_bytes: int
) -> list[list[bytes]]:
    """Return the parts of each payload of one record of the stream, several if it was aggregated.

    Together they are at most `max_unpacked_bytes` larger than the record, and `MAX_EVENTS`; payloads that go beyond it
    stay whole.
    """
    left_bytes, left_events = max_unpacked_bytes, MAX_EVENTS
    found = []
    for payload in payloads:
        parts = parts_of(payload)
        growth = sum(map(len, parts)) - len(payload)
        if len(parts) > 1 and (growth > left_bytes or len(parts) > left_events):
            parts = [payload]
        elif len(parts) > 1:
            left_bytes, left_events = left_bytes - max(0, growth), left_events - len(parts)
        found.append(parts)
    return found


@cache
def _finder(
    name: str, path: str | None, columns: tuple[str, ...], delimiter: str
) -> Callable[[bytes], Iterator[Event]]:
    if name == "json":
        return JsonPath(path, many=True).events
    rows = CsvRows(columns, delimiter)
    return lambda content: (Event(row, row) for row in rows(content))


@lru_cache(maxsize=64)
def _unpacker(max_unpacked_bytes: int, thread: int) -> Unpacker:
    # One for each thread: a decompressor does one thing at a time.
    del thread
    return Unpacker(max_unpacked_bytes)


def split_batch(batch: pa.RecordBatch, parts: Callable[[bytes], list[bytes]]) -> Iterator[pa.RecordBatch]:
    """Yield `batch` with a row for each event, in batches that each fit into memory.

    Columns in: `data`; the others of a record if they are known.
    Columns out: the same; `data` has one event, `sub_sequence_number` counts on from the record's own.

    Args:
        batch: Records.
        parts: Gives the payloads of a payload's events.
    """
    indices, payloads, places, size = list[int](), list[bytes](), list[int](), 0
    for index, data in enumerate(batch.column(_DATA)):
        found = parts(data.as_py() or b"")
        indices += [index] * len(found)
        payloads += found
        places += range(len(found))
        size += sum(map(len, found))
        if size >= _MAX_PART_BYTES or len(payloads) >= MAX_EVENTS:
            yield _taken_apart(batch, indices, payloads, places)
            indices, payloads, places, size = [], [], [], 0
    if payloads or not batch.num_rows:
        yield _taken_apart(batch, indices, payloads, places)


def _taken_apart(
    batch: pa.RecordBatch, indices: Iterable[int], payloads: list[bytes], places: list[int]
) -> pa.RecordBatch:
    rows = pa.array(indices, pa.int32())
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == _DATA:
            columns.append(pa.array(payloads, column.type))
        elif name == _SUB:
            firsts = column.take(rows).to_pylist()
            numbers = [(first or 0) + place for first, place in zip(firsts, places, strict=True)]
            columns.append(pa.array(numbers, column.type))
        else:
            columns.append(column.take(rows))
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
