"""The AWS SDK's errors in streamjoin's words: one translation for all services, which says what to do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as EndpointError
from botocore.parsers import ResponseParserError

from streamjoin.errors import AwsSettingsError, StreamJoinError
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
        "KMSAccessDeniedException",
    }
)
# Whose call it is can't be told, whatever the role may.
_UNKNOWN_CALLER: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NEW_CREDENTIALS: Final = (
    "Renew the SDK's credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or those of "
    "AWS_PROFILE. `aws sts get-caller-identity` shows whether they work."
)
# Whatever their HTTP status is.
_PASSING: Final = frozenset(
    {"InternalFailureException", "InternalServiceException", "OperationTimeoutException", "ResourceInUseException"}
)

# Service -> the key that names its region; what isn't here is in the SDK's own.
_REGION_KEYS: Final = {
    "dynamodb": "region beside the table's name in the configuration",
    "dynamodbstreams": "region beside the table's name in the configuration",
    "glue": "sink.hudi.glue.region in the configuration",
    "kinesis": "source.kinesis.region in the configuration",
}


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


def wrong_setting(service: str, error: Exception) -> AwsSettingsError:
    """Return the error for what is set for the SDK on this machine, and makes no client.

    Args:
        service: Whose client.
        error: What the SDK said.
    """
    by_key = f"{_REGION_KEYS[service]}, " if service in _REGION_KEYS else ""
    region = f"{by_key}--region where a command takes it, or AWS_REGION in the environment"
    match error:
        case NoRegionError():
            problem = f"no region is known for {service}; set {region}"
        case InvalidRegionError():
            problem = f"region '{error.kwargs['region_name']}' of {service} is none that AWS can have; correct {region}"
        case ProfileNotFound():
            problem = f"{sdk_text(error)}; correct AWS_PROFILE, or what it names in ~/.aws/config"
        case NoCredentialsError():
            problem = (
                "no credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
                "this machine a role"
            )
        case PartialCredentialsError():
            problem = f"{sdk_text(error)}; set both or none"
        case BotoCoreError():
            problem = f"{sdk_text(error)}; see the variables AWS_* of the environment, and ~/.aws/config"
        case _:
            problem = f"{sdk_text(error)}; give AWS_ENDPOINT_URL a URL, such as http://127.0.0.1:4566, or unset it"
    return AwsSettingsError(problem)


def code_of(error: BaseException | None) -> str:
    """Return the service's code of an error of the SDK, or of the error that it was turned into; "" without one."""
    cause = error.__cause__ if isinstance(error, StreamJoinError) else error
    return str(cause.response.get("Error", {}).get("Code", "unknown")) if isinstance(cause, ClientError) else ""


def is_of_credentials(error: BaseException) -> bool:
    """Tell whether a service refused the credentials, whatever was asked."""
    return code_of(error) in _UNKNOWN_CALLER


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
    if is_of_credentials(error):
        return kind(f"{failed} was denied ({said}). {_NEW_CREDENTIALS}")
    if code in _DENIED:
        return kind(f"{failed} was denied ({said}). {remedies.denied}")
    if code in THROTTLED:
        message = f"{failed} was throttled ({code}) and still was after the SDK's retries. {remedies.throttled}"
        return kind(message, retryable=True)
    return kind(f"{failed} failed ({said}).", retryable=status >= 500 or code in _PASSING)
