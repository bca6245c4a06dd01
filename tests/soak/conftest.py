"""Embedded services for the soak run, and processes that start as fast as those of the e2e tier."""

from tests.e2e.conftest import class_archive, stack

__all__ = ["class_archive", "stack"]
