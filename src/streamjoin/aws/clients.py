"""boto3 clients: one a process for each service, region and role, so that connections are reused.

Endpoints come from the SDK's own `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, credentials from its own chain,
the region from there too, or from `AWS_REGION`, which only the other SDKs read.
"""

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from streamjoin.aws.errors import wrong_setting
from streamjoin.aws.quick_answers import read_quickly


# "standard" retries are jittered and capped. After them a call is sent again if an error would lose a part of the
# work: reading a shard (kinesis/pace.py), writing and looking up items (backoff.py). All else fails, and the runner
# tries the batch again.
def _config(read_timeout_seconds: int, attempts: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=read_timeout_seconds,
        max_pool_connections=32,
        user_agent_extra="streamjoin",
    )


@cache
def aws_client(
    service: str,
    region: str | None = None,
    role_arn: str | None = None,
    *,
    read_timeout_seconds: int = 30,
    attempts: int = 5,
) -> Any:
    """Return this process's client of `service`.

    A function imported from the package keeps this cache between the tasks of one Spark worker.

    Args:
        service: The SDK's name of the service, such as `kinesis`.
        region: Default: the SDK's.
        role_arn: A role to assume through STS; its credentials are renewed before they run out.
        read_timeout_seconds: How long an answer may take.
        attempts: How often a call is sent at most.

    Raises:
        AwsSettingsError: What is set for the SDK on this machine makes no client: no region, no credentials or half
            of them, a profile that isn't there, an endpoint that is no URL. Nothing was sent.
    """
    config = _config(read_timeout_seconds, attempts)
    try:
        own = _default_session()
        region = region or own.region_name or os.environ.get("AWS_REGION")
        session = own if role_arn is None else _in_role(role_arn, region)
        client = session.client(service, region_name=region, config=config)  # type: ignore[call-overload]
        # Else the first call says so.
        if own.get_credentials() is None:
            raise NoCredentialsError
    # The SDK has no class of its own for an endpoint that is no URL.
    except (BotoCoreError, ValueError) as error:
        raise wrong_setting(service, error) from error
    client.meta.events.register("after-call", _refuse_page)
    read_quickly(client)
    return client


def _refuse_page(http_response: Any, parsed: dict[str, Any], **_: object) -> None:
    """Raise for a page of a proxy, or of a web server at AWS_ENDPOINT_URL: to the SDK it is an empty answer."""
    is_page = str(http_response.headers.get("content-type", "")).startswith("text/html")
    # A service has a number for each request; an object of S3 may be a page.
    if is_page and "RequestId" not in parsed.get("ResponseMetadata", {}):
        message = "a web page answered in place of the service"
        raise ResponseParserError(message)


def _default_session() -> boto3.Session:
    """Return boto3's own, which reads credentials and the descriptions of services once."""
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION
    assert session is not None  # noqa: S101
    return session


def _in_role(role_arn: str, region: str | None) -> boto3.Session:
    base, assumed = get_session(), get_session()
    # STS is asked in the region of what the role is for, also if the SDK knows none.
    base.set_config_variable("region", region)
    fetcher = AssumeRoleCredentialFetcher(
        base.create_client,
        base.get_credentials(),
        role_arn,
        extra_args={"RoleSessionName": "streamjoin"},
    )
    # botocore has no public setter for credentials that renew themselves; boto3 sets the same attribute.
    assumed._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return boto3.Session(botocore_session=assumed)
