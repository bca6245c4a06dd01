"""The environment of every process that a test starts."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.start_up import quick_variables, variables

# Timings are never asserted, neither by Hypothesis. The same examples each time, so that a change is judged by what it
# changes; new ones are drawn by `make explore`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def quick_processes(pytestconfig: pytest.Config) -> Iterator[None]:
    with variables(quick_variables(pytestconfig.cache.mkdir("start_up"))):
        yield
