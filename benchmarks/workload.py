"""What a variant is given, batch by batch, and what its table must hold afterwards.

The process that measures and the one that checks make it both from the same few numbers, so that neither has to hold
what the other needs: not the items of the reference, and not the rows.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from benchmarks.expectation import Row, check_table
from streamjoin.aws.clients import aws_client
from streamjoin.dynamodb.write.tables import description
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, COUNTRY_ROWS, COUNTRY_TABLE, orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import Item, create_stream, create_table, put_items
from streamjoin.schema.columns import RECORD_SCHEMA

SHARDS = 4
ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)
_IMPORTED = "items.json"
# The emulator sorts all keys for every page, in one thread: segments would wait for each other until they time out.
SCAN_SEGMENTS = 1


@dataclass(frozen=True)
class Workload:
    """The events of one stream and the changes of one reference table.

    Args:
        stream_name: Where the events are put.
        items: Items of the reference table.
        records: Events of a batch.
        table_name: The reference table.
        all_items: Whether every event's country is drawn from all items; else it is one of the few of `orders`.
        changes: How many items change right before each batch; batches beyond the last are without a change.
        shards: Of the stream.
    """

    stream_name: str
    items: int
    records: int
    table_name: str = COUNTRY_TABLE
    all_items: bool = False
    changes: Sequence[int] = ()
    shards: int = SHARDS

    def create_stream(self) -> None:
        """Create the stream: one for each variant, since the emulator slows with the records that a stream holds."""
        create_stream(aws_client("kinesis"), self.stream_name, self.shards)

    def send(self, batch: int) -> None:
        """Put the events of a batch into the stream, and the items that change before it into the table."""
        produce(aws_client("kinesis"), self.stream_name, self.events(batch), record_key="uuid")
        put_items(aws_client("dynamodb"), self.table_name, self.changed(batch))

    def events(self, batch: int) -> Iterator[dict[str, str]]:
        """Yield the events of batch number `batch`, counted from 0."""
        start = batch * self.records
        for index, event in enumerate(islice(orders(start=start), self.records), start):
            yield event | {"country": self._country(index)} if self.all_items else event

    def changed(self, batch: int) -> list[Item]:
        """Return the new versions of the items that change right before a batch; the first is one that it uses."""
        count = self.changes[batch] if batch < len(self.changes) else 0
        first = self._drawn(batch * self.records) if self.all_items else 0
        return [changed_item((first + offset) % self.items, f"batch {batch}") for offset in range(count)]

    def expected(self, batches: int) -> dict[str, Row]:
        """Return, by uuid, what the rows of so many batches must be: a plain join with the items as of each batch."""
        combined = _combined(map(country_item, range(self.items)))
        rows: dict[str, Row] = {}
        for batch in range(batches):
            combined |= _combined(self.changed(batch))
            rows |= {event["uuid"]: (event["country"], combined.get(event["country"])) for event in self.events(batch)}
        return rows

    def check(self, base_path: str, batches: int) -> tuple[int, list[str]]:
        """Compare a table with what it must hold after so many batches; return its rows, and what is wrong."""
        return check_table(base_path, self.expected(batches))

    def unseen_changes(self, batches: int) -> list[str]:
        """Return the batches whose rows could not show their change: a check of them would be empty."""
        return [
            f"batch {number + 1}: none of its events uses an item that changed before it"
            for number in range(batches)
            if (changed := _combined(self.changed(number)))
            and not any(event["country"] in changed for event in self.events(number))
        ]

    def _country(self, index: int) -> str:
        return str(country_item(self._drawn(index))["countryname"])

    def _drawn(self, index: int) -> int:
        """Return the number of the item that event number `index` uses: the same in every process."""
        return int.from_bytes(hashlib.blake2b(b"item of %d" % index, digest_size=8).digest()) % self.items


def _combined(items: Iterable[Item]) -> dict[str, str]:
    return {item["countryname"]: item["combinedname"] for item in items}


def country_item(number: int) -> Item:
    """Return one item of the country table: the real ones come first, then made-up ones without end."""
    if number < len(COUNTRY_ROWS):
        return COUNTRY_ROWS[number]
    made_up = number - len(COUNTRY_ROWS)
    code, name = f"X{made_up}", f"Country {made_up}"
    return {"code": code, "countryname": name, "combinedname": f"{code}-{name}"}


def changed_item(number: int, change: str) -> Item:
    """Return a new version of an item, which says which change it is."""
    item = country_item(number)
    return {**item, "combinedname": f"{item['combinedname']}, changed: {change}"}


def fill(items: int, table_name: str = COUNTRY_TABLE) -> None:
    """Create a reference table with so many items and a stream that knows nothing of their being put.

    A table that has been there for a day is like that; and an emulator slows with the records that a stream holds.
    """
    started, client = time.perf_counter(), aws_client("dynamodb")
    create_table(client, table_name, COUNTRY_REFERENCE.keys)
    new_stream(table_name, lambda: put_items(client, table_name, map(country_item, range(items))))
    print(f"'{table_name}': {items:,} items put in {time.perf_counter() - started:.1f} s", file=sys.stderr)


def fill_many(items: int, table_name: str) -> None:
    """As `fill`, for a table that isn't there yet: imported from S3, which takes half as long.

    Raises:
        RuntimeError: The import failed.
    """
    started, bucket = time.perf_counter(), f"import-{table_name.replace('_', '-')}"
    lines = (json.dumps({"Item": {n: {"S": v} for n, v in country_item(each).items()}}) for each in range(items))
    client, objects = aws_client("dynamodb"), aws_client("s3")
    objects.create_bucket(Bucket=bucket)
    objects.put_object(Bucket=bucket, Key=_IMPORTED, Body="\n".join(lines).encode())
    table = description(table_name, COUNTRY_REFERENCE.keys)
    where = {"S3BucketSource": {"S3Bucket": bucket}, "InputFormat": "DYNAMODB_JSON"}
    said = client.import_table(**where, TableCreationParameters=table)["ImportTableDescription"]
    while said["ImportStatus"] == "IN_PROGRESS":
        time.sleep(0.2)
        said = client.describe_import(ImportArn=said["ImportArn"])["ImportTableDescription"]
    if said["ImportStatus"] != "COMPLETED" or said["ImportedItemCount"] != items:
        message = f"table '{table_name}': expected {items:,} items to be imported, found {said}"
        raise RuntimeError(message)
    objects.delete_object(Bucket=bucket, Key=_IMPORTED)
    new_stream(table_name)
    print(f"'{table_name}': {items:,} items imported in {time.perf_counter() - started:.1f} s", file=sys.stderr)


def new_stream(table_name: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Take the table's stream away, and give it a new one."""
    client = aws_client("dynamodb")
    client.update_table(TableName=table_name, StreamSpecification={"StreamEnabled": False})
    meanwhile()
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.update_table(TableName=table_name, StreamSpecification=stream)


def records_of(stream_name: str, payloads: Sequence[bytes], first_sequence_number: int) -> pa.Table:
    """Return payloads as a stream's records, though none has them: for batches that are given to `process_batch`."""
    columns: dict[str, list[Any]] = {
        "stream": [stream_name] * len(payloads),
        "shard_id": [shard_id(index % SHARDS) for index in range(len(payloads))],
        "sequence_number": [str(first_sequence_number + index) for index in range(len(payloads))],
        "sub_sequence_number": [0] * len(payloads),
        "partition_key": [str(index) for index in range(len(payloads))],
        "approximate_arrival_timestamp": [ARRIVED] * len(payloads),
        "data": list(payloads),
    }
    return pa.table(columns, schema=RECORD_SCHEMA)


def payloads_of(events: Iterable[Mapping[str, str]]) -> list[bytes]:
    """Return events as a producer sends them."""
    return [json.dumps(event).encode() for event in events]


def shard_id(number: int) -> str:
    """Return the name of a shard."""
    return f"shardId-{number:012d}"


def table_bytes(items: int) -> int:
    """Return what the items of a reference table weigh, as the service counts: UTF-8 of names and texts."""
    attributes = (each for number in range(items) for each in country_item(number).items())
    return sum(len(name.encode()) + len(text.encode()) for name, text in attributes)
