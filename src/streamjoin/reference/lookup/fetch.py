"""The items of a batch's join keys, fetched by executors: each task for its keys, with what its process still knows.

A task's last row says what the fetching came to. So an error comes to the driver as what it is, and the batch's cost
and age come out of the same evaluation as its items.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final

import pyarrow as pa

from streamjoin.aws.clients import aws_client
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.errors import AwsSettingsError
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetcher import Fetcher, Fetching, FetchReport, Known
from streamjoin.reference.lookup.key_values import MAX_HASH_KEY_BYTES, MAX_RANGE_KEY_BYTES, event_values, key_converter
from streamjoin.reference.lookup.keys import Key
from streamjoin.schema.ddl import parse_schema

_ROWS_PER_BATCH = 10_000
_BYTES_PER_BATCH = 8 * 1024 * 1024

END: Final = "end"
FETCHED_SCHEMA: Final = parse_schema(
    f"item binary, read_at double, {END} struct<keys bigint, calls bigint, read_units double, oldest_read_at double, "
    "cached_keys bigint, stale_keys bigint, outdated_keys bigint, unknown_keys bigint, outdated_seconds double, "
    "error string, is_retryable boolean>"
)


@dataclass(frozen=True)
class KeyColumn:
    """The event's column that a key attribute is compared with.

    Args:
        event: The column's type.
        found: The type of the reference's column.
    """

    event: pa.DataType
    found: pa.DataType


@cache
def fetcher(fetching: Fetching) -> Fetcher:
    """Return this process's fetcher of a reference, so that items are kept between batches.

    Raises:
        AwsSettingsError: No client can be made, as without credentials.
    """
    target = fetching.target
    return Fetcher(fetching, ItemReader(target, aws_client("dynamodb", target.region, target.role_arn)))


@dataclass(frozen=True)
class FetchItems:
    """What a task runs; of the package, so that a worker's clients and items outlive the task.

    Columns in: one for each attribute of the key, in its order; no nulls; a key may come more than once.
    Columns out: those of `FETCHED_SCHEMA`: `item` (packed) and `read_at`, and a last row with `end` alone.

    Args:
        fetching: What to fetch.
        columns: The incoming columns.
        max_read_units_per_second: What all tasks may consume; None: any number.
        tasks: How many tasks share that.
    """

    fetching: Fetching
    columns: tuple[KeyColumn, ...]
    max_read_units_per_second: float | None
    tasks: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Fetch the items of the keys, then say what it came to."""
        end, keys = FetchReport(), self.keys(batches)
        items: list[bytes] = []
        read_at: list[float] = []
        size_bytes = 0
        for known in self._fetch(keys, end):
            items += known.items
            read_at += [known.read_at] * len(known.items)
            size_bytes += sum(map(len, known.items))
            if len(items) >= _ROWS_PER_BATCH or size_bytes >= _BYTES_PER_BATCH:
                yield _rows(items, read_at)
                items, read_at, size_bytes = [], [], 0
        yield _rows(items, read_at)
        last = {"item": None, "read_at": None, END: asdict(end)}
        yield pa.RecordBatch.from_pylist([last], schema=FETCHED_SCHEMA)

    def _fetch(self, keys: list[Key], end: FetchReport) -> Iterator[Known]:
        if not keys:
            return
        pace = ReadUnits(self.max_read_units_per_second).share(self.tasks)
        try:
            found = fetcher(self.fetching)
        except AwsSettingsError as error:
            # A raise would come to the driver as text after four attempts; a row brings it as what it is.
            end.keys = end.unknown_keys = len(keys)
            end.error, end.is_retryable = f"{self.fetching.target}: {error}", error.retryable
            return
        yield from found.fetch(keys, pace, end)

    def keys(self, batches: Iterable[pa.RecordBatch]) -> list[Key]:
        """Return the distinct keys of some events, without values that no item can have."""
        attributes = self.fetching.target.access.attributes
        hash_keys = len(self.fetching.target.access.hash_keys)
        converters = [
            key_converter(
                column.event,
                column.found,
                attribute.type,
                MAX_HASH_KEY_BYTES if position < hash_keys else MAX_RANGE_KEY_BYTES,
            )
            for position, (attribute, column) in enumerate(zip(attributes, self.columns, strict=True))
        ]
        distinct: dict[tuple[Any, ...], None] = {}
        for batch in batches:
            distinct.update(dict.fromkeys(zip(*map(event_values, batch.columns), strict=True)))
        keys: dict[Key, None] = {}
        for values in distinct:
            if None in values:
                continue
            key = tuple(convert(value) for convert, value in zip(converters, values, strict=True))
            if None not in key:
                keys[key] = None
        return list(keys)


def _rows(items: list[bytes], read_at: list[float]) -> pa.RecordBatch:
    nothing = pa.nulls(len(items), FETCHED_SCHEMA.field(END).type)
    return pa.RecordBatch.from_arrays(
        [pa.array(items, pa.binary()), pa.array(read_at, pa.float64()), nothing], schema=FETCHED_SCHEMA
    )
