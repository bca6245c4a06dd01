"""Receipts for a backfill: made from their number alone, so that rows can be checked without keeping the items."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from streamjoin.dms.item_size import item_bytes
from streamjoin.local.tables import put_items

KEYS = {"PK": "S", "SK": "S"}
SCHEMA = "receiptid string, createdAt string, updatedat bigint, total decimal(38,2), is_paid boolean"
EXPORT_ID = "01700000000000-0badcafe"
_FIRST_MS = 1_556_668_800_000

TypedItem = Mapping[str, Mapping[str, Any]]


def item(number: int) -> TypedItem:
    """Return receipt `number`, about 300 bytes of DynamoDB's, with a value of each common type."""
    cents = total_cents(number)
    day = number % 28 + 1
    return {
        "PK": {"S": f"CUSTOMER#{number % 50_021:06}"},
        "SK": {"S": f"RECEIPT#{number:09}"},
        "receiptid": {"S": receipt_id(number)},
        "createdAt": {"S": f"2019-{number % 12 + 1:02}-{day:02}T{number % 24:02}:{number % 60:02}:00Z"},
        "updatedat": {"N": str(_FIRST_MS + number * 1_013)},
        "total": {"N": f"{cents // 100}.{cents % 100:02}"},
        "is_paid": {"BOOL": number % 11 != 0},
        "tags": {"SS": [f"tag{number % 7}", f"tag{number % 5 + 10}"]},
        "customer": {
            "M": {
                "name": {"S": f"Customer {number % 50_021}"},
                "address": {"M": {"city": {"S": "Utrecht"}, "lines": {"L": [{"S": "Market Street"}, {"N": "7"}]}}},
            }
        },
        "lines": {
            "L": [
                {"M": {"product": {"S": f"product {number % 997}"}, "quantity": {"N": str(line + 1)}}}
                for line in range(number % 4 + 1)
            ]
        },
        "checksum": {"B": hashlib.blake2b(b"%d" % number, digest_size=12).digest()},
    }


def receipt_id(number: int) -> str:
    """Return what the row of an item is known by."""
    return f"r-{number:09}"


def total_cents(number: int) -> int:
    """Return the total of an item."""
    return number * 7_919 % 1_000_003


def total_of_all(items: int) -> Decimal:
    """Return what the totals of all rows add up to."""
    return Decimal(sum(total_cents(number) for number in range(items))) / 100


def read_units_per_million() -> float:
    """Return what an eventually consistent scan of a million of these items consumes: half a unit for each 4 KB."""
    sampled = [item_bytes(item(number)) for number in range(0, 1_000_000, 997)]
    return sum(sampled) / len(sampled) * 1_000_000 / 4096 / 2


def load_table(client: Any, table_name: str, items: int, threads: int = 8) -> None:
    """Write the items into a table, from several threads."""
    read: Any = TypeDeserializer()

    def write(numbers: range) -> None:
        put_items(client, table_name, ({n: read.deserialize(v) for n, v in item(k).items()} for k in numbers))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(write, [range(first, items, threads) for first in range(threads)]):
            pass


def write_export(folder: Path, table_arn: str, items: int, files: int) -> Path:
    """Write what an export of the table to S3 would be; return its folder."""
    export = folder / EXPORT_ID
    (export / "data").mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        entries = list(pool.map(_write_file, [(export, number, files, items) for number in range(files)]))
    (export / "manifest-files.json").write_text("".join(json.dumps(each) + "\n" for each in entries))
    summary = {
        "version": "2020-06-30",
        "tableArn": table_arn,
        "exportTime": "2023-11-14T22:13:20.000Z",
        "itemCount": sum(each["itemCount"] for each in entries),
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    (export / "manifest-summary.json").write_text(json.dumps(summary))
    return export


def _write_file(part: tuple[Path, int, int, int]) -> dict[str, Any]:
    export, number, files, items = part
    path = export / "data" / f"{number:04}.json.gz"
    numbers = range(number, items, files)
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
        for each in numbers:
            packed.write(_line(each))
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).digest()
    return {
        "itemCount": len(numbers),
        "md5Checksum": base64.b64encode(digest).decode(),
        "dataFileS3Key": f"AWSDynamoDB/{EXPORT_ID}/data/{path.name}",
    }


def _line(number: int) -> bytes:
    return json.dumps({"Item": item(number)}, default=_base64, separators=(",", ":")).encode() + b"\n"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
