"""boto3 clients: one a process for each service, region and role, so that connections are reused.

Endpoints come from the SDK's own `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, credentials from its own chain.
"""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.session import get_session


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
    """
    config = _config(read_timeout_seconds, attempts)
    if role_arn is None:
        return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]
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
    return boto3.Session(botocore_session=assumed).client(service, region_name=region, config=config)  # type: ignore[call-overload]
