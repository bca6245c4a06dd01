"""Exports of DynamoDB tables as the service writes them to S3, in a folder of this machine."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Item = Mapping[str, Mapping[str, Any]]

EXPORT_ID = "01693685827463-2d8752fd"
EXPORT_TIME = "2023-09-02T20:17:07.463Z"


def _binary(value: object) -> str:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode()


def line_of(item: Item) -> str:
    """Return a line of a data file."""
    return json.dumps({"Item": item}, default=_binary, ensure_ascii=False)


def write_export(
    folder: Path,
    files: Sequence[Iterable[Item]],
    *,
    table_name: str = "receipts",
    summary: Mapping[str, Any] | None = None,
    region: str = "us-east-1",
) -> Path:
    """Write an export with these data files; return its own folder.

    Args:
        folder: What would be `s3://bucket/prefix/AWSDynamoDB`.
        files: The items of each data file.
        table_name: The table.
        summary: Values of the summary in place of the usual ones; None takes a name out of it.
        region: Of the table.
    """
    export = folder / EXPORT_ID
    (export / "data").mkdir(parents=True)
    (export / "_started").touch()
    listed, count = [], 0
    for number, items in enumerate(files):
        lines = [line_of(item) for item in items]
        content = gzip.compress("".join(line + "\n" for line in lines).encode())
        name = f"q{number:03}dgarsfbrtsxgb.json.gz"
        (export / "data" / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        listed.append(
            {
                "itemCount": len(lines),
                "md5Checksum": base64.b64encode(digest).decode(),
                "etag": f"{digest.hex()}-1",
                "dataFileS3Key": f"prefix/AWSDynamoDB/{EXPORT_ID}/data/{name}",
            }
        )
        count += len(lines)
    (export / "manifest-files.json").write_text("".join(json.dumps(each) + "\n" for each in listed))
    arn = f"arn:aws:dynamodb:{region}:123456789012:table/{table_name}"
    values = {
        "version": "2020-06-30",
        "exportArn": f"{arn}/export/{EXPORT_ID}",
        "tableArn": arn,
        "exportTime": EXPORT_TIME,
        "s3Bucket": "bucket",
        "s3Prefix": "prefix",
        "manifestFilesS3Key": f"prefix/AWSDynamoDB/{EXPORT_ID}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": count,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
        **(summary or {}),
    }
    kept = {name: value for name, value in values.items() if value is not None}
    (export / "manifest-summary.json").write_text(json.dumps(kept))
    return export
