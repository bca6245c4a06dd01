"""Change records of DynamoDB as the two ways into Kinesis write them, for every test that captures.

Sources: docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html (the record of a Pipe, which is that of
DynamoDB Streams), docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_gettingstarted.html and kds.html
(Kinesis Data Streams for DynamoDB: no sequence number, `tableName` in place of an ARN, `recordFormat`, a precision).

Items are plain Python values as boto3's resources take them (str, int, Decimal, bytes, bool, None, list, dict, set);
with `typed=True` they are in DynamoDB's form, binary as bytes.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from boto3.dynamodb.types import TypeSerializer

STREAM_LABEL = "2026-01-31T00:00:00.000"


def pipe_record(
    table: str,
    operation: str,
    keys: Mapping[str, Any],
    new: Mapping[str, Any] | None = None,
    old: Mapping[str, Any] | None = None,
    *,
    created_s: int | Decimal | str,
    sequence_number: int | str,
    typed: bool = False,
    **extra: Any,
) -> bytes:
    """Return a record of DynamoDB Streams as an EventBridge Pipe forwards it.

    `created_s` may have a fraction, as text or Decimal; `extra` adds or replaces fields of the envelope.
    """
    body = _body(keys, new, old, typed)
    body = {
        "ApproximateCreationDateTime": msgspec.Raw(str(created_s).encode()),
        **body,
        "SequenceNumber": str(sequence_number),
    }
    envelope = {
        "eventID": f"{sequence_number}",
        "eventName": operation,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {**body, "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:111122223333:table/{table}/stream/{STREAM_LABEL}",
    }
    return msgspec.json.encode({**envelope, **extra})


def kinesis_record(
    table: str,
    operation: str,
    keys: Mapping[str, Any],
    new: Mapping[str, Any] | None = None,
    old: Mapping[str, Any] | None = None,
    *,
    created: int,
    precision: str | None = "MICROSECOND",
    typed: bool = False,
    **extra: Any,
) -> bytes:
    """Return a record of Kinesis Data Streams for DynamoDB.

    `created` is in the unit of `precision`, which is left out where it is None; `extra` as in `pipe_record`.
    """
    stated = {} if precision is None else {"ApproximateCreationDateTimePrecision": precision}
    envelope = {
        "awsRegion": "us-east-1",
        "eventID": "8be1a6a8-4f7e-4f3c-8a3e-7b0a9a3f3f7d",
        "eventName": operation,
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": table,
        "dynamodb": {"ApproximateCreationDateTime": created, **_body(keys, new, old, typed), "SizeBytes": 26, **stated},
        "eventSource": "aws:dynamodb",
    }
    return msgspec.json.encode({**envelope, **extra})


def typed_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values in DynamoDB's form, as boto3's client gives it: binary is bytes."""
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in values.items()}


def _body(
    keys: Mapping[str, Any], new: Mapping[str, Any] | None, old: Mapping[str, Any] | None, typed: bool
) -> dict[str, Any]:
    images = {"Keys": keys, "NewImage": new, "OldImage": old}
    return {name: image if typed else typed_item(image) for name, image in images.items() if image is not None}
