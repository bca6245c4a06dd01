"""Destroying an environment: what is emptied, what is stopped, what stays, and that another's stack is left alone."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from streamjoin.errors import StackError
from streamjoin.stacks import deployment as deploying
from streamjoin.stacks import destruction
from streamjoin.stacks.deployment import Deployment
from streamjoin.stacks.destruction import destroy, plan
from streamjoin.stacks.environment import Environment
from streamjoin.stacks.events import Event
from tests.documents import ROOT
from tests.unit.stacks.cloudformation import BEGIN
from tests.unit.stacks.test_artefacts import Bucket


class Glue:
    """Runs of jobs; one that is told to stop does so at the n-th look."""

    def __init__(self) -> None:
        self.runs = {"dev-enrich": ["r1"]}
        self.stopped: list[str] = []
        self.looks = 3

    def get_job_runs(self, JobName: str) -> dict[str, Any]:
        if JobName not in self.runs:
            raise ClientError({"Error": {"Code": "EntityNotFoundException", "Message": "no"}}, "GetJobRuns")
        self.looks -= bool(self.stopped)
        state = "RUNNING" if self.looks > 0 else "STOPPED"
        return {"JobRuns": [{"Id": each, "JobRunState": state} for each in self.runs[JobName]]}

    def batch_stop_job_run(self, JobName: str, JobRunIds: list[str]) -> None:
        self.stopped += JobRunIds


class OneStack:
    def __init__(self, name: str, outputs: dict[str, str], keep: str) -> None:
        self.name, self.deleted = name, False
        self._found = {
            "StackName": name,
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            "Parameters": [
                {"ParameterKey": "KeepData", "ParameterValue": keep},
                {"ParameterKey": "Name", "ParameterValue": "dev"},
            ],
        }

    def described(self) -> dict[str, Any] | None:
        return None if self.deleted else self._found

    def delete(self, tell: Any) -> None:
        self.deleted = True
        tell(Event(BEGIN, "Lake/Lake", "AWS::S3::Bucket", "DELETE_SKIPPED", "", "dev-lake"))
        tell(Event(BEGIN, "", "AWS::CloudFormation::Stack", "DELETE_COMPLETE", "", self.name))


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Glue:
    found = Glue()
    buckets["all"] = Bucket()
    monkeypatch.setattr(destruction, "aws_client", lambda service: {"glue": found, "s3": buckets["all"]}[service])
    buckets["all"].put_object("dev-lake", "a", b"")
    return found


buckets: dict[str, Bucket] = {}


def deployment(monkeypatch: pytest.MonkeyPatch, keep: str) -> Deployment:
    outputs = {
        "EnrichJob": "dev-enrich",
        "CaptureJob": "dev-capture",
        "LakeBucket": "dev-lake",
        # Not the stack's own, whatever it is called.
        "OtherBucket": "somebodys",
    }
    stacks = (OneStack("dev", outputs, keep), OneStack("dev-artefacts", {"ArtefactsBucket": "dev-artefacts-1"}, keep))
    monkeypatch.setattr(Deployment, "stack", stacks[0])
    monkeypatch.setattr(Deployment, "artefacts", stacks[1])
    return Deployment(Environment(name="dev"), ROOT, "0", lambda line: None, lambda event: None)


def emptied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(destruction, "empty", lambda s3, bucket, tell: found.append(bucket) or 1)
    return found


def test_its_own_buckets_are_emptied_if_they_go_with_it(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    found, what = emptied(monkeypatch), deployment(monkeypatch, "Delete")
    kept = destroy(what, sleep=lambda seconds: None)
    assert found == ["dev-lake", "dev-artefacts-1"]
    assert what.stack.described() is None
    assert what.artefacts.described() is None
    assert glue.stopped == ["r1"], "before that, what would write into them is stopped"
    assert kept == ["AWS::S3::Bucket 'dev-lake'"] * 2


def test_nothing_is_emptied_if_data_is_kept(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    found, what = emptied(monkeypatch), deployment(monkeypatch, "Retain")
    destroy(what, sleep=lambda seconds: None)
    assert found == []
    assert what.stack.described() is None


def test_a_run_that_does_not_stop_ends_it_before_anything_is_gone(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    glue.looks, now = 10_000, [0.0]
    found, what = emptied(monkeypatch), deployment(monkeypatch, "Delete")
    with pytest.raises(StackError, match="Glue job 'dev-enrich' has not stopped after 300 s"):
        destroy(what, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert found == []
    assert what.stack.described() is not None


def test_what_would_go_and_what_would_stay_is_told_first(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = plan(deployment(monkeypatch, "Delete"))
    assert lines is not None
    assert lines[:2] == [
        "stack 'dev' (CREATE_COMPLETE), with all that it has made",
        "  bucket 'dev-lake' with 1 versions of objects, all of which is deleted",
    ]
    assert any("stay, and are named in the end" in line for line in plan(deployment(monkeypatch, "Retain")) or [])
    gone = deployment(monkeypatch, "Delete")
    gone.stack.delete(lambda event: None)
    gone.artefacts.delete(lambda event: None)
    assert plan(gone) is None
    assert destroy(gone) == []


def test_a_stack_of_the_name_that_is_anothers_is_neither_destroyed_nor_changed(
    glue: Glue, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, what = emptied(monkeypatch), deployment(monkeypatch, "Delete")
    made: list[str] = []
    monkeypatch.setattr(deploying, "aws_client", made.append)
    described = what.artefacts.described()
    assert described is not None
    for parameters in ([], [{"ParameterKey": "Name", "ParameterValue": "dev"}], described["Parameters"][:1]):
        described["Parameters"] = parameters
        for attempt in (destroy, plan, Deployment.deploy):
            with pytest.raises(
                StackError, match=r"stack 'dev-artefacts' is there, and was not made of infra/: .*name: in"
            ):
                attempt(what)
    # That of the root goes first: it is looked at before it does.
    assert (found, glue.stopped, made) == ([], [], [])
    assert what.stack.described() is not None
