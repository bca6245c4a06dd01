"""Conditional writes to S3 by a boto3 that has no parameters for them: that of Glue 5.0 is 1.34.

S3 has heeded `If-None-Match` since August and `If-Match` since November 2024, whoever sends them; boto3 got each
parameter in the same month. Source: Amazon S3 API reference, "PutObject".
"""

from typing import Any, Final

_HEADERS: Final = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}
_KEPT: Final = "streamjoin_conditions"


def with_conditions(client: Any) -> Any:
    """Return a client of S3 whose `put_object` takes `IfMatch` and `IfNoneMatch`, whatever its boto3 knows."""
    known = client.meta.service_model.operation_model("PutObject").input_shape.members
    if not _HEADERS.keys() <= known.keys():
        events = client.meta.events
        # A client is had many times; what has an id is registered once.
        events.register("before-parameter-build.s3.PutObject", _take, unique_id=f"{_KEPT}_taken")
        events.register("before-call.s3.PutObject", _send, unique_id=f"{_KEPT}_sent")
    return client


def _take(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> None:
    context[_KEPT] = {header: params.pop(name) for name, header in _HEADERS.items() if name in params}


def _send(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> None:
    params["headers"].update(context[_KEPT])
