"""The AWS SDK's errors in streamjoin's words: one translation for all services, which says what to do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError
from botocore.parsers import ResponseParserError

from streamjoin.errors import StreamJoinError
from streamjoin.redaction import sdk_text

SDK_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError)
"""What a call of the SDK raises. The last one means an answer that isn't the service's, as a proxy's page."""

THROTTLED: Final = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
    }
)
_MISSING: Final = frozenset({"EntityNotFoundException", "ResourceNotFoundException"})
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)
# Whatever their HTTP status is.
_PASSING: Final = frozenset(
    {"InternalFailureException", "InternalServiceException", "OperationTimeoutException", "ResourceInUseException"}
)


@dataclass(frozen=True)
class Remedies:
    """What to do about each kind of failure; sentences that end an error's text.

    Args:
        missing: There is no such table, index, stream or secret.
        denied: The role may not.
        throttled: The SDK's retries did not help.
        unreachable: The service could not be reached, or the request not be sent.
    """

    missing: str
    denied: str
    throttled: str
    unreachable: str


@contextmanager
def translated(
    kind: type[StreamJoinError],
    failed: str,
    remedies: Remedies,
    meanings: Mapping[str, Callable[[str], Exception]] | None = None,
) -> Iterator[None]:
    """Turn the SDK's errors into `kind`, saying what to do.

    Args:
        kind: The class to raise; `retryable` if the same call may succeed later.
        failed: What was called on what, such as "table 'orders' in region 'us-east-1': Scan".
        remedies: What to do.
        meanings: What a code means beyond that: makes the error to raise instead, of what the service said.
    """
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        meaning = (meanings or {}).get(code)
        raise meaning(said_by(error)) if meaning else _of_service(kind, failed, remedies, error) from error
    except (EndpointError, HTTPClientError, ResponseParserError) as error:
        message = f"{failed} could not reach the service ({sdk_text(error)}). {remedies.unreachable}"
        raise kind(message, retryable=True) from error
    except BotoCoreError as error:
        message = f"{failed} could not be sent ({sdk_text(error)}). {remedies.unreachable}"
        raise kind(message) from error


def code_of(error: BaseException | None) -> str:
    """Return the service's code of an error of the SDK, or of the error that it was turned into; "" without one."""
    cause = error.__cause__ if isinstance(error, StreamJoinError) else error
    return str(cause.response.get("Error", {}).get("Code", "unknown")) if isinstance(cause, ClientError) else ""


def said_by(error: Exception) -> str:
    """Return what an error of the SDK says: code and message of the service's own, without credentials."""
    if isinstance(error, ClientError):
        return f"{code_of(error)}: {sdk_text(error.response.get('Error', {}).get('Message') or 'no message')}"
    return sdk_text(error)


def _of_service(kind: type[StreamJoinError], failed: str, remedies: Remedies, error: ClientError) -> StreamJoinError:
    code, said = code_of(error), said_by(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return kind(f"{failed} found nothing of this name ({said}). {remedies.missing}")
    if code in _DENIED:
        return kind(f"{failed} was denied ({said}). {remedies.denied}")
    if code in THROTTLED:
        message = f"{failed} was throttled ({code}) and still was after the SDK's retries. {remedies.throttled}"
        return kind(message, retryable=True)
    return kind(f"{failed} failed ({said}).", retryable=status >= 500 or code in _PASSING)
