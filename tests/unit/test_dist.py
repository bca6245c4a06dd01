"""What a bundle for AWS Glue has in it, and how it is written; without a network."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.distributions import dist

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def versions(path: Path) -> dict[str, Version]:
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, _, version in (line.partition("==") for line in lines)}


@pytest.fixture(params=dist.RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def requirements() -> Iterable[Requirement]:
    """Yield what the package needs, with the extras of a bundle."""
    extras = (PROJECT["optional-dependencies"][extra] for extra in dist.EXTRAS)
    return map(Requirement, (*PROJECT["dependencies"], *(each for extra in extras for each in extra)))


def test_a_bundle_has_all_that_the_package_names_in_a_version_that_it_takes(release: str) -> None:
    locked = versions(dist.locked(release))
    needed = {canonicalize_name(each.name): each.specifier for each in requirements()}
    assert needed.keys() <= locked.keys()
    assert [name for name, taken in needed.items() if locked[name] not in taken] == []


def test_a_bundle_leaves_what_glue_brings_as_it_is(release: str) -> None:
    locked, provided = versions(dist.locked(release)), versions(dist.provided(release))
    shared = locked.keys() & provided.keys()
    assert {"boto3", "numpy", "pandas", "pyarrow"} <= shared
    assert {name: locked[name] for name in shared} == {name: provided[name] for name in shared}


def test_the_rest_of_a_bundle_is_what_the_tests_run_with_unless_glue_keeps_it_back(release: str) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    tested = {package["name"]: Version(package["version"]) for package in lock["package"] if "version" in package}
    own = {n: v for n, v in versions(dist.locked(release)).items() if n not in versions(dist.provided(release))}
    # pydantic 2.14 needs newer typing-extensions than Glue 5.1 has.
    held = {"5.1": {"pydantic", "pydantic-core"}}.get(release, set())
    assert {name: version for name, version in own.items() if name not in held and version != tested[name]} == {}


def test_a_bundle_has_the_layout_that_glue_asks_for_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    wheels = [tmp_path / "b-1-py3-none-any.whl", tmp_path / "a-1-py3-none-any.whl"]
    for wheel in wheels:
        wheel.write_bytes(wheel.name.encode())
    first, second = tmp_path / "1.gluewheels.zip", tmp_path / "2.gluewheels.zip"
    dist.write_bundle(first, "b==1\n", wheels)
    dist.write_bundle(second, "b==1\n", reversed(wheels))
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as archive:
        assert archive.namelist() == [
            "wheels/a-1-py3-none-any.whl",
            "wheels/b-1-py3-none-any.whl",
            "wheels/requirements.txt",
        ]
        assert archive.read("wheels/requirements.txt") == b"b==1\n"
        assert archive.read("wheels/a-1-py3-none-any.whl") == b"a-1-py3-none-any.whl"
        # Else a program that unpacks it as it says makes files that nobody may read.
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
