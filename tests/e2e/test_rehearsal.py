"""A deployment rehearsed, as `make rehearse` does; and what each job asked of AWS meanwhile, beside what its role may.

One deployment for all tests. Calls of Python are recorded by botocore's events, in the jobs and in Spark's workers;
those to S3 by a proxy, for most are Java's.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import load_job, query
from streamjoin.errors import StackError
from streamjoin.local.demo.reference_origin import DATABASE, SOURCE_TABLE
from streamjoin.local.mariadb import MariaDb
from streamjoin.local.rehearsal.alarms import Watched, alarms_of, printed, watched
from streamjoin.local.rehearsal.proofs import examined, role_of
from streamjoin.local.rehearsal.steps import Rehearsal
from streamjoin.local.samples.orders import COUNTRY_TABLE
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import put_items
from streamjoin.stacks.artefacts import copy_below
from streamjoin.stacks.environment import Environment
from streamjoin.stacks.stack import Deployed
from tests.documents import ROOT
from tests.services.s3_recorder import s3_recorder
from tests.stacks.policies import (
    ELSEWHERE,
    OF_REPLICATE,
    Call,
    Right,
    missing,
    recorded,
    rights,
    role_documents,
    unused,
)

ACCOUNT, REGION = "000000000000", "us-east-1"
CONFIGURATIONS = {
    "enrich": "enrich.yaml",
    "backfill": "backfill-receipts.yaml",
    "capture": "capture.yaml",
    "replicate": "replicate.yaml",
}
RECEIPTS = [{"PK": f"r{number}", "SK": "v0", "total": number} for number in range(40)]


@dataclass
class Rehearsed:
    """What a rehearsal has left: what it told, and of each job calls, rights, rows, and what the doctor found."""

    told: str = ""
    calls: dict[str, list[Call]] = field(default_factory=dict)
    rights: dict[str, list[Right]] = field(default_factory=dict)
    examined: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    watched: Watched = field(default_factory=Watched)
    deployed: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def rehearsed(quick_jobs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    folder, found = tmp_path_factory.mktemp("rehearsal"), Rehearsed()
    with ExitStack() as resources, pytest.MonkeyPatch.context() as patch:
        # The doctor wants a binlog that is kept for a day at least.
        server = resources.enter_context(MariaDb(["--loose-expire-logs-days=7"]))
        for name, value in (("HOST", server.host), ("PORT", server.port), ("USER", server.user)):
            patch.setenv(f"MYSQL_{name}", str(value))
        recorder, told = Recorder(folder / "calls", resources), io.StringIO()
        rehearsal = Rehearsal(
            dev(),
            ROOT,
            Console(file=told, width=160),
            folder,
            prepare=lambda rehearsal: keep_password(rehearsal, server.password),
            job_variables=recorder.variables,
            look=lambda rehearsal: look(rehearsal, recorder, server, found),
        )
        rehearsal.run()
        found.told = told.getvalue()
        yield found


def dev(**parameters: str) -> Environment:
    """Return the repository's own environment, with all four jobs."""
    read = Environment.read(ROOT / "infra" / "environments", "dev")
    more = {"CaptureTables": "receipts:PK:SK", "Replication": "job", **parameters}
    configurations = {**read.configurations, "replicate": "conf/replicate_country.yaml"}
    return read.model_copy(update={"parameters": {**read.parameters, **more}, "configurations": configurations})


def keep_password(rehearsal: Rehearsal, password: str) -> None:
    secret = aws_client("secretsmanager").create_secret(Name="mysql", SecretString=json.dumps({"password": password}))
    rehearsal.environment = dev(MySqlSecretArn=secret["ARN"])


class Recorder:
    """Records what jobs call."""

    def __init__(self, calls: Path, resources: ExitStack) -> None:
        self.calls, self._resources = calls, resources
        self._variables: dict[str, str] = {}
        calls.write_text('{"job": "enrich"}\n')

    def variables(self, stack: LocalStack) -> Mapping[str, str]:
        """Return what a job's process needs for it."""
        if not self._variables:
            self._variables = {
                "AWS_ENDPOINT_URL_S3": self._resources.enter_context(s3_recorder(stack.endpoint, self.calls)),
                "STREAMJOIN_CALLS": str(self.calls),
                "PYTHONPATH": str(ROOT / "tests" / "recording"),
            }
        return self._variables


def look(rehearsal: Rehearsal, recorder: Recorder, server: MariaDb, found: Rehearsed) -> None:
    """Run the other three jobs of the stack, and take note of all four."""
    # The enrichment has run before the next release came, whose folder alone its role reads then.
    found.rights["enrich"] = rights_of(rehearsal.outputs.job_name("enrich"))
    deploy_again(rehearsal, found)
    outputs = rehearsal.deployment.outputs()
    places = {job: f"{outputs['ConfigurationUri']}/{name}" for job, name in CONFIGURATIONS.items()}
    feed(outputs["ChangesStreamArn"], server)
    # The rehearsal itself has looked at what the enrichment meets.
    others = ("backfill", "capture", "replicate")
    for job in others:
        found.rights[job] = rights_of(outputs.job_name(job))
        found.examined[job] = examined(load_job(places[job]), role_of(outputs.job_name(job)))[0]
    arguments = [each for job in others for each in (job, places[job])]
    environ = {**rehearsal.stack.environ(), **recorder.variables(rehearsal.stack)}
    command = [sys.executable, str(ROOT / "tests" / "e2e" / "jobs_in_turn.py"), *arguments]
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=400, check=False)
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert "catalog_failures=" not in answer.stderr + rehearsal.log.read_text()
    lines = [*rehearsal.log.read_text().splitlines(), *answer.stdout.splitlines()]
    found.watched = watched(alarms_of(aws_client("cloudwatch"), outputs["Name"]), printed(lines))
    found.calls = recorded(recorder.calls, account=ACCOUNT, region=REGION)
    for job in ("enrich", "capture"):
        (counted,) = query(load_job(places[job]), "SELECT count(*) AS n FROM t").to_pylist()
        found.rows[job] = counted["n"]
    items = aws_client("dynamodb").scan(TableName=COUNTRY_TABLE)["Items"]
    found.rows["replicate"] = sum("_binlog" in item for item in items)


def rights_of(glue_job: str) -> list[Right]:
    return rights(role_documents(aws_client("iam"), role_of(glue_job)))


def deploy_again(rehearsal: Rehearsal, found: Rehearsed) -> None:
    """Deploy what is there, then another release and value of a parameter, then a release that isn't there."""
    same, (bucket, prefix, release) = rehearsal.deployment, rehearsal.outputs["ConfigurationUri"].split("/")[2:5]
    # As the next one would be: all stacks in the stack are read from its folder.
    for folder in ("infra", "jobs", "wheels"):
        copy_below(aws_client("s3"), bucket, f"{prefix}/{release}/{folder}", f"{prefix}/next/{folder}")
    found.deployed.append(same.deploy())
    parameters = {**same.environment.parameters, "LagSeconds": "600"}
    other = replace(same, environment=same.environment.model_copy(update={"parameters": parameters}))
    found.deployed.append(other.deploy("next"))
    assert f"/{prefix}/next/" in str(
        aws_client("glue").get_job(JobName=rehearsal.outputs["EnrichJob"])["Job"]["Command"]
    )
    (alarm,) = aws_client("cloudwatch").describe_alarms(AlarmNames=["streamjoin-dev-enrich-lag"])["MetricAlarms"]
    assert alarm["Threshold"] == 600
    with pytest.raises(StackError, match=f"bucket '{bucket}' has no release 'x'; it has: {release}, next"):
        same.deploy("x")


def feed(stream: str, server: MariaDb) -> None:
    """Give the other jobs something to do: items before and after the capture's stream, rows of MariaDB."""
    dynamodb = aws_client("dynamodb")
    put_items(dynamodb, "receipts", RECEIPTS[:30])
    # The emulator's CloudFormation leaves a table's destination out.
    dynamodb.enable_kinesis_streaming_destination(TableName="receipts", StreamArn=stream)
    put_items(dynamodb, "receipts", RECEIPTS[20:])
    server.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {SOURCE_TABLE} (code CHAR(2), countryname VARCHAR(40), combinedname VARCHAR(60), "
            "PRIMARY KEY (code, countryname))"
        )
        # An item's key is not empty: the last one becomes a dead letter.
        rows = "('FR', 'France', 'FR-France'), ('IT', 'Italy', 'IT-Italy'), ('', 'Nowhere', 'Nowhere')"
        cursor.execute(f"INSERT INTO {SOURCE_TABLE} VALUES {rows}")  # noqa: S608
        connection.commit()


def test_a_rehearsal_goes_from_the_templates_to_rows_and_leaves_nothing(rehearsed: Rehearsed) -> None:
    told = rehearsed.told
    for number in range(1, 12):
        assert f"{number}/11 " in told
    assert told.count("✓") == 11
    for text in (
        "as its role 'streamjoin-dev-enrich': streamjoin doctor",
        "emulators run no Glue job",
        "500 orders",
        "│ IN-IND-India",
        "no stack, bucket, stream, table, job or role of it is left",
        "Not rehearsed: AWS DMS",
        "Done in",
    ):
        assert text in told, told


def test_deploying_again_changes_what_has_changed_and_nothing_else(rehearsed: Rehearsed) -> None:
    assert rehearsed.deployed == [Deployed.UNCHANGED, Deployed.UPDATED]


def test_the_doctor_finds_nothing_to_mend_for_any_job_of_the_stack(rehearsed: Rehearsed) -> None:
    assert {"enrich", *rehearsed.examined} == set(CONFIGURATIONS)
    assert not any("to mend" in each for each in rehearsed.examined.values())


def test_every_job_runs_by_the_configuration_made_of_the_outputs(rehearsed: Rehearsed) -> None:
    assert rehearsed.rows == {"enrich": 500, "capture": len(RECEIPTS), "replicate": 2}


def test_every_alarm_watches_a_metric_that_its_job_has_printed(rehearsed: Rehearsed) -> None:
    found = rehearsed.watched
    assert found.absent == []
    of_a_table = ("lag", "freshness", "dead-letters", "catalog", "no-commits")
    assert {each["AlarmName"].removeprefix("streamjoin-dev-") for each in found.told} == {
        *(f"{job}-{what}" for job in ("enrich", "capture") for what in of_a_table),
        *(f"{what}-{COUNTRY_TABLE}" for what in ("reference-age", "refresh-failures")),
        "replicate-dead-letters",
    }
    # A replication that has only loaded was behind by nothing.
    assert {each["MetricName"] for each in found.silent} <= {"retries", "lag_seconds", "freshness_p99_seconds"}


@pytest.mark.parametrize("job", CONFIGURATIONS)
def test_a_role_allows_every_call_that_its_job_makes(rehearsed: Rehearsed, job: str) -> None:
    calls = rehearsed.calls[job]
    assert len({call.action for call in calls}) >= 5, "they were recorded"
    assert missing(calls, rehearsed.rights[job]) == []


@pytest.mark.parametrize("job", CONFIGURATIONS)
def test_a_role_allows_nothing_that_its_job_does_not_call(rehearsed: Rehearsed, job: str) -> None:
    left = [right for right in unused(rehearsed.calls[job], rehearsed.rights[job]) if not is_explained(right, job)]
    assert left == []


def is_explained(right: Right, job: str) -> bool:
    if any("-artefacts-" in each for each in right.resources):
        # The script and the wheels: a job of this machine has them.
        return right.action == "s3:ListBucket"
    others = {**ELSEWHERE, **(OF_REPLICATE if job == "replicate" else {})}
    return any(right.action.startswith(prefix) for prefix in others)


def test_a_right_that_is_not_there_would_be_missed(rehearsed: Rehearsed) -> None:
    for job in CONFIGURATIONS:
        allowed = rehearsed.rights[job]
        for action in {right.action for right in allowed} & {call.action for call in rehearsed.calls[job]}:
            fewer = [right for right in allowed if right.action != action]
            assert missing(rehearsed.calls[job], fewer), (job, action)
    assert "STREAMJOIN_CALLS" not in os.environ, "tests themselves aren't recorded"
