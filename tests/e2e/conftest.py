"""Embedded services for jobs that run as processes of their own."""

from collections.abc import Iterator

import pytest

from streamjoin.local.stack import LocalStack


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as running, running.active():
        yield running
