"""Embedded services for jobs that run as processes of their own."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamjoin.local.stack import LocalStack
from tests.e2e.scenario import Scenario, events
from tests.start_up import archive_path, reading_archive, variables, writing_archive

ARCHIVE_JOB = str(Path(__file__).parent / "archive_job.py")


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as running, running.active():
        yield running


@pytest.fixture(scope="session", autouse=True)
def class_archive(quick_processes: None, pytestconfig: pytest.Config) -> Iterator[None]:
    """Let Java take its classes from an archive, which the first run of the tier makes; without one it is slower."""
    cache = pytestconfig.cache.mkdir("start_up")
    archive = archive_path(cache)
    # Of two test processes one makes it, the other waits for it.
    with (cache / "archive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive is not None and not archive.exists():
            make_archive(archive)
    with variables(reading_archive(archive) if archive is not None and archive.exists() else {}):
        yield


def make_archive(archive: Path) -> None:
    for outdated in archive.parent.glob("*.jsa"):
        outdated.unlink()
    with LocalStack() as running, running.active(), tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        unfinished = Path(folder) / "unfinished.jsa"
        scenario = Scenario(Path(folder), "archive")
        scenario.put(events(150, seed=1))
        with variables(writing_archive(unfinished)):
            code = scenario.run(script=ARCHIVE_JOB)
        # A job that fails here fails in the tests too, where it is told in full.
        if code == 0 and unfinished.exists():
            os.replace(unfinished, archive)
