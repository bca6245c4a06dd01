import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from streamjoin.aws.errors import SDK_ERRORS, Remedies, code_of, said_by, translated
from streamjoin.errors import SinkError

REMEDIES = Remedies(missing="make it", denied="allow it", throttled="raise it", unreachable="reach it")


def refused(code, status=400):
    answer = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutItem")


@pytest.mark.parametrize(
    ("error", "text", "retryable"),
    [
        (refused("ResourceNotFoundException"), "found nothing of this name .*make it", False),
        (refused("AccessDeniedException"), "was denied .*because.*allow it", False),
        (refused("ThrottlingException"), "was throttled .*raise it", True),
        (refused("Odd", 503), "failed .Odd: because", True),
        (refused("InternalFailureException"), "failed .InternalFailureException", True),
        (refused("ValidationException"), "failed .ValidationException", False),
        (EndpointConnectionError(endpoint_url="http://x"), "could not reach the service .*reach it", True),
        (ResponseParserError("<html>a proxy's page"), "could not reach the service .*reach it", True),
        (CredentialRetrievalError(provider="p", error_msg="e"), "could not be sent .*reach it", False),
    ],
)
def test_each_error_of_the_sdk_says_what_failed_and_what_to_do(error, text, retryable):
    with pytest.raises(SinkError, match=f"table 't': PutItem {text}") as raised:
        with translated(SinkError, "table 't': PutItem", REMEDIES):
            raise error
    assert raised.value.retryable is retryable
    assert raised.value.__cause__ is error
    assert isinstance(error, SDK_ERRORS)
    assert code_of(raised.value) == code_of(error)


def test_a_code_that_means_something_else_to_the_caller_raises_that():
    with pytest.raises(KeyError, match="Expired: because"):
        with translated(SinkError, "table 't': PutItem", REMEDIES, {"Expired": KeyError}):
            raise refused("Expired")


def test_what_is_no_error_of_the_sdk_stays_as_it_is():
    with pytest.raises(ZeroDivisionError):
        with translated(SinkError, "table 't': PutItem", REMEDIES):
            raise ZeroDivisionError
    assert code_of(ZeroDivisionError()) == code_of(None) == code_of(SinkError("no cause")) == ""
    assert said_by(ResponseParserError("first line\nsecond")) == "first line"
