"""The environment of every process that a test starts."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.start_up import quick_variables, variables

# Timings are never asserted, neither by Hypothesis.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def quick_processes(pytestconfig: pytest.Config) -> Iterator[None]:
    with variables(quick_variables(pytestconfig.cache.mkdir("start_up"))):
        yield
