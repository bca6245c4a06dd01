"""A change read from a table's own stream, as the record that an EventBridge Pipe would have made of it."""

from typing import Any

import msgspec

from streamjoin.dynamodb.stream.client import ChangeRecord


def streams_record(change: ChangeRecord, stream_arn: str) -> bytes:
    """Return the JSON of DynamoDB Streams for a change: binary is base64, the time is in seconds.

    Args:
        change: What the stream gave.
        stream_arn: The stream, whose name has the table's in it.
    """
    body: dict[str, Any] = {"Keys": change.keys, "SequenceNumber": change.sequence_number}
    if change.created_at_ms is not None:
        seconds, milliseconds = divmod(change.created_at_ms, 1000)
        # As text, since a float would not have all digits of it.
        body["ApproximateCreationDateTime"] = msgspec.Raw(f"{seconds}.{milliseconds:03d}".encode())
    for name, image in (("NewImage", change.new_image), ("OldImage", change.old_image)):
        if image is not None:
            body[name] = image
    return msgspec.json.encode(
        {
            "eventName": change.operation,
            "eventSource": "aws:dynamodb",
            "eventSourceARN": stream_arn,
            "dynamodb": body,
            **({} if change.user_identity is None else {"userIdentity": change.user_identity}),
        }
    )
