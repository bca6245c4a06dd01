"""Jobs that run as processes of their own start sooner."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_jobs(class_archive: None) -> None:
    """Each of them takes its classes from the archive."""
