"""boto3 clients: one a process for each service, region and role, so that connections are reused.

Endpoints come from the SDK's own `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, credentials from its own chain.
"""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.session import get_session

# "standard" retries are jittered and capped; below the runner nothing else retries (see errors.py).
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    user_agent_extra="streamjoin",
)


@cache
def aws_client(service: str, region: str | None = None, role_arn: str | None = None) -> Any:
    """Return this process's client of `service`.

    A function imported from the package keeps this cache between the tasks of one Spark worker.

    Args:
        service: The SDK's name of the service, such as `kinesis`.
        region: Default: the SDK's.
        role_arn: A role to assume through STS; its credentials are renewed before they run out.
    """
    if role_arn is None:
        return boto3.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]
    base = get_session()
    fetcher = AssumeRoleCredentialFetcher(
        base.create_client,
        base.get_credentials(),
        role_arn,
        extra_args={"RoleSessionName": "streamjoin"},
    )
    assumed = get_session()
    # botocore has no public setter for credentials that renew themselves; boto3 sets the same attribute.
    assumed._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return boto3.Session(botocore_session=assumed).client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]
