"""Measure what installing the wheel costs: packages, size and seconds, of the core, of each extra and of all together.

Each goes into a fresh environment, by uv, with no version pinned. Downloads are not measured: a first round fills uv's
cache. Prints the table of docs/install.md.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dist import build

UV = Path(sys.executable).with_name("uv")
EXTRAS = ("", "cli", "query", "cli,query", "mysql", "local", "local,mysql")


def uv(*arguments: str) -> str:
    """Run uv; return what it prints."""
    return subprocess.run([UV, *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603


def install(wheel: Path, extras: str, folder: Path) -> tuple[int, int, float]:
    """Install the wheel with `extras` into a new environment; return packages, size in MB, and seconds."""
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    python = str(folder / "bin/python")
    begun = time.monotonic()
    # Copies, as pip makes them: links into the cache would take no room.
    what = f"{wheel}[{extras}]" if extras else str(wheel)
    uv("pip", "install", "--quiet", "--compile-bytecode", "--link-mode", "copy", "--python", python, what)
    seconds = time.monotonic() - begun
    packages = len(uv("pip", "list", "--format", "freeze", "--python", python).splitlines())
    size = subprocess.run(["du", "-sm", folder], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607
    return packages, int(size.split()[0]), seconds


def main() -> None:
    """Print a row for each."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        wheels = sys.argv[1:]
        if not wheels:
            wheels = [str(build(folder))]
        wheel = Path(wheels[0])
        install(wheel, EXTRAS[-1], folder / "first")
        print("| `pip install` | packages | MB | seconds |\n|---|---|---|---|")
        for extras in EXTRAS:
            packages, size, seconds = install(wheel, extras, folder / f"with-{extras.replace(',', '-')}")
            name = f"streamjoin[{extras}]" if extras else "streamjoin"
            print(f"| `{name}` | {packages} | {size} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
