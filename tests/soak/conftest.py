"""Processes that start as fast as those of the e2e tier."""

from tests.e2e.conftest import quick_jobs

__all__ = ["quick_jobs"]
