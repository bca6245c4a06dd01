"""The file of an environment: its parameters as CloudFormation takes them, and what is wrong with it."""

from pathlib import Path

import pytest

from streamjoin.errors import ConfigError
from streamjoin.stacks.environment import Environment
from tests.documents import ROOT


def written(folder: Path, text: str) -> Environment:
    (folder / "dev.yaml").write_text(text)
    return Environment.read(folder, "dev")


def test_values_of_parameters_become_text(tmp_path: Path) -> None:
    found = written(
        tmp_path, "parameters: {Alarms: true, Workers: 3, CaptureTables: ['a:k', 'b:k=N'], LakeTable: orders}"
    )
    assert found.parameters == {"Alarms": "true", "Workers": "3", "CaptureTables": "a:k,b:k=N", "LakeTable": "orders"}
    assert found.name == "streamjoin-dev"
    assert written(tmp_path, "name: other").name == "other"
    assert written(tmp_path, "").parameters == {}


def test_an_environment_that_is_not_there_is_told_with_those_there_are(tmp_path: Path) -> None:
    written(tmp_path, "")
    with pytest.raises(ConfigError, match="there is no such environment; there are: dev"):
        Environment.read(tmp_path, "prod")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("parameter: {}", "parameter: "),
        ("configurations: {enriched: a.yaml}", "configurations"),
        ("parameters: {Name: x}", "parameters: found Name; make deploy sets them itself"),
        ("parameters: {AlarmEmail: '${NOBODY_SETS_THIS}'}", "environment variable 'NOBODY_SETS_THIS' is not set"),
    ],
)
def test_what_is_wrong_with_it_is_told_by_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, text)
    assert problem in str(caught.value)
    assert str(tmp_path / "dev.yaml") in str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / "infra" / "environments").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_environments_of_the_repository_are_good(path: Path) -> None:
    found = Environment.read(path.parent, path.stem)
    assert found.name == f"streamjoin-{path.stem}"
    assert all((ROOT / file).exists() for file in found.configurations.values())
