"""What all that talks to DynamoDB shares: an item, its packed form, and the service's errors in our words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError
from botocore.parsers import ResponseParserError

from streamjoin.errors import StreamJoinError
from streamjoin.redaction import sdk_text

Item = Mapping[str, Mapping[str, Any]]
"""An item as the service sends it: attribute name -> {type: value}."""

_THROTTLED = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


@dataclass(frozen=True)
class Remedies:
    """What to do about each kind of failure; sentences that end an error's text.

    Args:
        missing: There is no such table, index or stream.
        denied: The role may not.
        throttled: The SDK's retries did not help.
        unreachable: The service could not be reached, or the request not be sent.
    """

    missing: str
    denied: str
    throttled: str
    unreachable: str


def pack(item: Item) -> bytes:
    """Return the item in a small part of the memory of its dicts."""
    return msgspec.msgpack.encode(item)


def unpack(packed: bytes) -> Item:
    """Return the item that was packed."""
    item: Item = msgspec.msgpack.decode(packed)
    return item


@contextmanager
def translated(kind: type[StreamJoinError], failed: str, remedies: Remedies) -> Iterator[None]:
    """Turn the SDK's errors into `kind`, saying what to do.

    Args:
        kind: The class to raise.
        failed: What was called on what, such as "table 'orders' in region 'us-east-1': Scan".
        remedies: What to do.
    """
    try:
        yield
    except ClientError as error:
        raise _of_service(kind, failed, remedies, error) from error
    except (EndpointError, HTTPClientError, ResponseParserError) as error:
        message = f"{failed} could not reach the service ({sdk_text(error)}). {remedies.unreachable}"
        raise kind(message, retryable=True) from error
    except BotoCoreError as error:
        message = f"{failed} could not be sent ({sdk_text(error)}). {remedies.unreachable}"
        raise kind(message) from error


def _of_service(kind: type[StreamJoinError], failed: str, remedies: Remedies, error: ClientError) -> StreamJoinError:
    code = error.response.get("Error", {}).get("Code", "unknown")
    said = sdk_text(error.response.get("Error", {}).get("Message") or "no message")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ResourceNotFoundException":
        return kind(f"{failed} found nothing of this name ({said}). {remedies.missing}")
    if code in _DENIED:
        return kind(f"{failed} was denied ({code}: {said}). {remedies.denied}")
    if code in _THROTTLED:
        message = f"{failed} was throttled ({code}) and still was after the SDK's retries. {remedies.throttled}"
        return kind(message, retryable=True)
    return kind(f"{failed} failed ({code}: {said}).", retryable=status >= 500)
