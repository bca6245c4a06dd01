"""Clients of the services that samples are sent to."""

from typing import Any

from botocore.exceptions import NoRegionError

from streamjoin.aws.clients import aws_client
from streamjoin.errors import StreamJoinError


def sample_client(service: str, region: str | None, kind: type[StreamJoinError], target: str) -> Any:
    """Return boto3's client of a service.

    Args:
        service: Its name.
        region: Default: the SDK's.
        kind: What to raise.
        target: What is written to, for messages, such as "stream 'orders'".

    Raises:
        StreamJoinError: Of `kind`: no region is known.
    """
    try:
        return aws_client(service, region)
    except NoRegionError as error:
        message = f"{target}: no region is known; give --region, or set AWS_REGION"
        raise kind(message) from error
