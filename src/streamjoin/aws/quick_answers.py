"""Answers of many records and items, read in a quarter of the time in which the SDK checks member by member.

What the SDK's parser gives is given: the same names, bytes and times. It keeps the rest of the answer, errors, and any
answer that isn't as expected. An SDK older than July 2024 doesn't ask, and reads all by itself.

Source of the forms: docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html and
docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html: bytes are base64, times are seconds.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

Answer = dict[str, Any]


def read_quickly(client: Any) -> None:
    """Let a client of boto3 read its large answers so; another service's client stays as it is."""
    for operation, read in _LARGE.get(client.meta.service_model.service_name, {}).items():
        service_id = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-parse.{service_id}.{operation}", read)


def _reader(member: str, read: Callable[[list[Any]], list[Any]], hook: Callable[[Answer], Answer] | None) -> Any:
    """Return a handler of the SDK's event that takes the list `member` out of an answer before the SDK parses it."""

    def take(response_dict: Answer, customized_response_dict: Answer, **_: object) -> None:
        if response_dict["status_code"] != _OK or "json" not in response_dict["headers"].get("content-type", ""):
            return
        try:
            answer = json.loads(response_dict["body"], object_hook=hook)
            found = read(answer[member])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
            # The SDK says what is wrong with it.
            return
        customized_response_dict[member] = found
        response_dict["body"] = json.dumps({**answer, member: []}, default=_text).encode()

    return take


def _records(found: list[Answer]) -> list[Answer]:
    for record in found:
        record["Data"] = b64decode(record["Data"])
        record["ApproximateArrivalTimestamp"] = datetime.fromtimestamp(record["ApproximateArrivalTimestamp"], UTC)
    return found


def _changes(found: list[Answer]) -> list[Answer]:
    for record in found:
        change = record["dynamodb"]
        change["ApproximateCreationDateTime"] = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    return found


def _items(found: list[Answer]) -> list[Answer]:
    if not all(type(item) is dict for item in found):
        raise TypeError
    return found


def _text(data: bytes) -> str:
    """Undo what was done to the rest of an answer: the key of its last item may be binary."""
    return b64encode(data).decode()


def _with_bytes(found: Answer) -> Answer:
    """Decode a binary value. An item may have an attribute called `B`: that is an object, and no text."""
    if len(found) == 1:
        if type(text := found.get("B")) is str:
            found["B"] = b64decode(text)
        elif type(texts := found.get("BS")) is list:
            found["BS"] = [b64decode(text) for text in texts]
    return found


_OK: Final = 200
_LARGE: Final = {
    "kinesis": {"GetRecords": _reader("Records", _records, None)},
    "dynamodb": {"Scan": _reader("Items", _items, _with_bytes)},
    "dynamodbstreams": {"GetRecords": _reader("Records", _changes, _with_bytes)},
}
