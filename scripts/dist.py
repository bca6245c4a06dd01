"""Make in dist/ what AWS Glue and other clusters install streamjoin from.

streamjoin-VERSION-py3-none-any.whl               the package; pip brings what it needs
streamjoin-VERSION.zip                            the same files, for `--py-files` and `--extra-py-files`
streamjoin-VERSION-glue-RELEASE.gluewheels.zip    the package and all that it needs, for a Glue that reaches no index

Which versions a bundle has stands in scripts/glue/RELEASE-locked.txt: those of scripts/glue/RELEASE-provided.txt, which
Glue has already, and else the ones of uv.lock, as far as these fit. `--resolve` writes that file again.

Source of platform, Python and the layout of a bundle: docs.aws.amazon.com, "Using Python libraries with AWS Glue",
appendices A and B.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "scripts" / "glue"
UV = Path(sys.executable).with_name("uv")
RELEASES = ("5.0", "5.1")
# Of both: Amazon Linux 2023 on x86_64, whose glibc is 2.34.
PYTHON = "3.11"
PLATFORM = "x86_64-manylinux_2_34"
_TAGS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(34, 16, -1)), "manylinux2014_x86_64")
# Besides what every job needs: the command line, and the job that replicates.
EXTRAS = ("cli", "mysql")
# uv doesn't download wheels. This is Glue 5.1's own.
_PIP = "pip==24.0"


def provided(release: str) -> Path:
    """Return the list of what a release of Glue brings, with versions."""
    return LISTS / f"{release}-provided.txt"


def locked(release: str) -> Path:
    """Return the list of what a bundle has, with versions."""
    return LISTS / f"{release}-locked.txt"


def resolve(release: str, preferred: str) -> str:
    """Return what the package needs on a release of Glue, a `name==version` a line.

    Only wheels for Glue's platform count, and what Glue brings stays as it is.

    Args:
        release: Of Glue.
        preferred: Versions to take as long as they fit, in the same form.

    Raises:
        subprocess.CalledProcessError: There is no such set; uv has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.txt"
        found.write_text(preferred)
        extras = [f"--extra={extra}" for extra in EXTRAS]
        platform = [f"--python-platform={PLATFORM}", f"--python-version={PYTHON}", "--only-binary=:all:"]
        form = ["--quiet", "--no-header", "--no-annotate"]
        lists = ["--constraints", str(provided(release)), "--output-file", str(found), "pyproject.toml"]
        _uv("pip", "compile", *form, *extras, *platform, *lists)
        return found.read_text()


def build(folder: Path) -> Path:
    """Make the wheel and the zip for `--py-files`; return the wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        # Of a copy: what an older build has left in build/ has no say, and two builds at a time don't meet.
        source = Path(place)
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            copy(ROOT / name, source)
        copytree(ROOT / "src", source / "src", ignore=ignore_patterns("*.egg-info", "__pycache__"))
        _uv("build", "--quiet", "--wheel", "--out-dir", f"{source / 'out'}", place)
        (built,) = (source / "out").glob("*.whl")
        wheel = Path(copy(built, folder))
    # Spark takes only what is called .zip, .egg or .jar into the path of its Python workers.
    copy(wheel, zip_of(wheel))
    return wheel


def zip_of(wheel: Path) -> Path:
    """Return the path of the zip that is built with a wheel."""
    return wheel.parent / f"streamjoin-{_version(wheel)}.zip"


def fetch(release: str, folder: Path) -> None:
    """Download wheels of all that is locked for a release of Glue."""
    tags = [f"--platform={tag}" for tag in _TAGS]
    what = ["--no-deps", "--only-binary=:all:", f"--python-version={PYTHON}", *tags, "--dest", str(folder)]
    # `uv tool` doesn't read the project's settings.
    tool = ["tool", "run", "--system-certs", "--quiet", "--python", sys.executable, "--from", _PIP]
    given = ["--quiet", "--disable-pip-version-check", *what, "--requirement", str(locked(release))]
    _uv(*tool, "pip", "download", *given)


def bundle(release: str, wheel: Path, others: Path) -> Path:
    """Put a wheel, and what was fetched for a release of Glue, into one file beside it; return that."""
    target = wheel.parent / f"streamjoin-{_version(wheel)}-glue-{release}.gluewheels.zip"
    write_bundle(target, f"streamjoin[{','.join(EXTRAS)}]=={_version(wheel)}\n", [wheel, *others.iterdir()])
    return target


def write_bundle(target: Path, requirements: str, wheels: Iterable[Path]) -> None:
    """Write a bundle as Glue takes it; of the same wheels it has the same bytes."""
    files = {"requirements.txt": requirements.encode(), **{wheel.name: wheel.read_bytes() for wheel in wheels}}
    with ZipFile(target, "w") as archive:
        for name in sorted(files):
            entry = ZipInfo(f"wheels/{name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])


def _version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def _uv(*arguments: str) -> str:
    return subprocess.run([UV, *arguments], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout  # noqa: S603


def main() -> None:
    """Do what the command line asks for; say what was made."""
    parser = argparse.ArgumentParser(description="Make what Glue and other clusters install streamjoin from.")
    bundles_of = parser.add_mutually_exclusive_group()
    bundles_of.add_argument("--release", action="append", choices=RELEASES, help="of Glue (default: all)")
    bundles_of.add_argument("--no-bundles", action="store_true", help="the wheel and the zip alone")
    parser.add_argument("--out-dir", type=Path, default=ROOT / "dist")
    parser.add_argument("--resolve", action="store_true", help="write scripts/glue/*-locked.txt again, build nothing")
    asked = parser.parse_args()
    releases = asked.release or RELEASES
    if asked.resolve:
        export = "export --quiet --frozen --all-extras --no-dev --no-hashes --no-emit-project --no-header --no-annotate"
        preferred = _uv(*export.split())
        for release in releases:
            locked(release).write_text(resolve(release, preferred))
        return
    wheel = build(asked.out_dir)
    made = [wheel, zip_of(wheel)]
    for release in () if asked.no_bundles else releases:
        with tempfile.TemporaryDirectory() as folder:
            fetch(release, Path(folder))
            made.append(bundle(release, wheel, Path(folder)))
    for path in made:
        print(f"{path.stat().st_size / 1e6:7.1f} MB  {path}")


if __name__ == "__main__":
    main()
