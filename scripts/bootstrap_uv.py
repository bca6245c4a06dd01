"""Put the uv of uv.lock into .uv/, with nothing but Python's standard library.

Debian's python3.11 comes without pip and without ensurepip, so neither `pip install uv` nor `python -m venv` is there
on a fresh machine. The wheel's address and its SHA-256 are those of uv.lock.
"""

import hashlib
import io
import platform
import stat
import sys
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".uv"
ATTEMPTS = 4


def wheel_marker() -> str:
    """Return the part of a wheel's name that says it runs here."""
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return f"macosx_11_0_{machine}" if machine == "arm64" else "macosx_10_12_x86_64"
    if machine == "arm64":
        machine = "aarch64"
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    return f"{libc}*_{machine}"


def matches(url: str, marker: str) -> bool:
    """Tell whether the wheel at `url` is for the platform that `marker` describes."""
    name = url.rsplit("/", 1)[-1]
    start, _, end = marker.partition("*")
    return start in name and name.removesuffix(".whl").endswith(end if end else marker)


def download(url: str) -> bytes:
    """Fetch `url`, trying again on a fault of the network."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310  (https, from uv.lock)
                return bytes(answer.read())
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if attempt == ATTEMPTS:
                sys.exit(f"could not fetch {url}: {error}; check the network and the proxy, then run make again")
            time.sleep(2**attempt)
    raise AssertionError


def main() -> None:
    """Fetch, check and unpack the locked uv, unless it is there already."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    package = next(p for p in lock["package"] if p["name"] == "uv")
    version_file = TARGET / "version"
    if version_file.exists() and version_file.read_text() == package["version"]:
        return
    wheels = [w for w in package["wheels"] if matches(w["url"], wheel_marker())]
    if not wheels:
        sys.exit(f"uv {package['version']} has no wheel for {wheel_marker()}; install uv yourself and put it on PATH")
    content = download(wheels[0]["url"])
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    if found != wheels[0]["hash"]:
        sys.exit(f"{wheels[0]['url']}: expected {wheels[0]['hash']}, got {found}; not unpacked")
    TARGET.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        member = next(n for n in wheel.namelist() if n.endswith(".data/scripts/uv"))
        binary = TARGET / "uv"
        binary.write_bytes(wheel.read(member))
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    version_file.write_text(package["version"])


if __name__ == "__main__":
    main()
