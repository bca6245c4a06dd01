"""Jobs that run as processes of their own start sooner; the package as others get it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributions import dist


@pytest.fixture(scope="session", autouse=True)
def quick_jobs(class_archive: None) -> None:
    """Each of them takes its classes from the archive."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of `make dist`, with the zip for `--py-files` beside it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, dist.__file__, "--no-bundles", "--out-dir", str(folder)], check=True)
    (built,) = folder.glob("*.whl")
    return built
