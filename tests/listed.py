"""What the services list."""

from typing import Any

from streamjoin.aws.clients import aws_client


def listed(service: str, operation: str, **about: str) -> list[Any]:
    """Return all that a call lists, also where it is more than one answer holds (of DynamoDB and Kinesis a hundred)."""
    pages = aws_client(service).get_paginator(operation)
    found = pages.paginate(**about).build_full_result()
    return list(found[pages.result_keys[0].expression])
