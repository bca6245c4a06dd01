"""scripts/deploy.py, which is in no package: what it says, and how it ends."""

import importlib.util
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest

from streamjoin.stacks.events import Event
from tests.documents import ROOT
from tests.unit.stacks.cloudformation import BEGIN

_SPEC = importlib.util.spec_from_file_location("deploy", ROOT / "scripts" / "deploy.py")
assert _SPEC is not None
assert _SPEC.loader is not None
script = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(script)


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["deploy.py", *arguments])
    with pytest.raises(SystemExit) as caught:
        script.main()
    return int(caught.value.code or 0)


class OneDeployment:
    environment = SimpleNamespace(name="streamjoin-dev")

    def __init__(self, lines: list[str] | None) -> None:
        self.lines = lines


@pytest.fixture
def destroyed(monkeypatch: pytest.MonkeyPatch) -> list[OneDeployment]:
    found: list[OneDeployment] = []
    monkeypatch.setattr(script, "plan", lambda deployment: deployment.lines)
    monkeypatch.setattr(script, "destroy", lambda deployment: found.append(deployment) or ["bucket 'b'"])
    return found


@pytest.mark.parametrize("what", ["deploy", "destroy"])
def test_an_environment_that_is_none_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    assert ended(monkeypatch, what, "--env", "staging") == 2
    told = capsys.readouterr()
    assert "staging.yaml" in told.err
    assert "there is no such environment; there are: dev, prod" in told.err
    assert told.out == ""


def test_a_stack_that_is_not_there_is_told_with_the_region(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], destroyed: list[OneDeployment]
) -> None:
    monkeypatch.setattr(script, "of_environment", lambda env: OneDeployment(None))
    client = SimpleNamespace(meta=SimpleNamespace(region_name="eu-west-1"))
    monkeypatch.setattr(script, "aws_client", lambda service: client)
    assert ended(monkeypatch, "destroy") == 0
    assert capsys.readouterr().out == "there is no stack 'streamjoin-dev' in region 'eu-west-1': nothing to do\n"
    assert destroyed == []


def test_nothing_is_destroyed_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], destroyed: list[OneDeployment]
) -> None:
    monkeypatch.setattr(script, "of_environment", lambda env: OneDeployment(["stack 's'"]))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    assert ended(monkeypatch, "destroy") == 1
    assert "make destroy ENV=… YES=1" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda prompt: "streamjoin")
    assert ended(monkeypatch, "destroy") == 1
    assert destroyed == []
    monkeypatch.setattr("builtins.input", lambda prompt: "streamjoin-dev")
    assert ended(monkeypatch, "destroy") == 0
    assert ended(monkeypatch, "destroy", "--yes") == 0
    assert len(destroyed) == 2
    assert "Kept, and yours to delete:\n  bucket 'b'" in capsys.readouterr().out


def test_what_comes_to_an_end_is_told_with_the_seconds_since_the_first_event() -> None:
    said = list[str]()
    tell = script.teller(said.append)
    # The third is that of the stack around it.
    states = ("CREATE_IN_PROGRESS", ""), ("CREATE_COMPLETE", ""), ("CREATE_COMPLETE", ""), ("X_FAILED", "no")
    for seconds, (status, reason) in zip((0, 9, 10, 90), states, strict=True):
        tell(Event(BEGIN + timedelta(seconds=seconds), "Streams/Events", "AWS::Kinesis::Stream", status, reason))
    assert said == [
        "      9 s  ✓ CREATE_COMPLETE          Streams/Events (AWS::Kinesis::Stream)",
        "     90 s  ✗ X_FAILED                 Streams/Events (AWS::Kinesis::Stream): no",
    ]
