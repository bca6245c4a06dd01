"""The servers of the integration tests: a machine that can't run one skips its tests by the server's name."""

import platform
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.services import mysql_programs
from tests.services.mysql_programs import MYSQL_57, MYSQL_80, running

LIBAIO = "\tlibaio.so.1 => not found\n"


def skipped(release: Any = MYSQL_80) -> str:
    with pytest.raises(pytest.skip.Exception) as skip:
        next(running(release))
    return str(skip.value)


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A machine that has the server in its cache, and no package; returns what `ldd` says of it."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(mysql_programs, "cache_folder", lambda: tmp_path)
    (tmp_path / f"mysql-{MYSQL_80.version}").mkdir()
    said = [""]

    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        if command[0] == "apt-get":
            raise subprocess.CalledProcessError(100, command)
        return subprocess.CompletedProcess(command, 0, said[0])

    monkeypatch.setattr(subprocess, "run", run)
    return said


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_another_machine_skips_them(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert skipped(MYSQL_57) == "MySQL 5.7.22 runs on Linux x86_64 alone"


def test_a_machine_that_cant_fetch_them_skips_them(
    cached: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def urlopen(url: str, timeout: float) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert "MySQL 5.7.22 can't run here: <urlopen error no network>" in skipped(MYSQL_57)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [f"mysql-{MYSQL_80.version}"]


@pytest.mark.parametrize("missing", [LIBAIO, "\tlibssl.so.10 => not found\n", f"{LIBAIO}\tlibnuma.so.1 => not found\n"])
def test_a_machine_that_lacks_a_library_skips_them(cached: list[str], missing: str) -> None:
    cached[0] = missing
    said = skipped()
    assert said.startswith("MySQL 8.0.12 can't run here: ")
    assert "apt-get" in said or missing.split(maxsplit=1)[0] in said
    # What can't be had by a package is told before one is asked for.
    assert ("apt-get" in said) == (missing == LIBAIO)
