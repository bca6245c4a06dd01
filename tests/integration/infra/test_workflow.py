"""The state machine of the stacks, run on the emulator, which says of each run of a Glue job that it succeeded."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_table
from streamjoin.stacks.configuration import athena_name
from tests.documents import ROOT

ROLE = "arn:aws:iam::000000000000:role/streamjoin-test"
JOBS = {
    "ArtefactsUri": "s3://artefacts/streamjoin",
    "PythonModules": "s3://artefacts/streamjoin/wheels/streamjoin.whl",
    "ReplicateModules": "s3://artefacts/streamjoin/wheels/streamjoin.whl",
    **{f"{job}RoleArn": ROLE for job in ("Enrich", "Capture", "Backfill")},
    **{"GlueVersion": "5.1", "WorkerType": "G.1X", "Workers": "2", "Retries": "3", "LogDays": "30"},
    "MaintenanceWindow": "Sun:3",
}


class Pipeline:
    """Jobs and state machine of a name, deployed from the templates."""

    def __init__(self, name: str, database: str, tables: list[str]) -> None:
        self.name, self.database = name, database
        self.glue, self.states = aws_client("glue"), aws_client("stepfunctions")
        self._deploy("jobs", {"Name": name, **JOBS})
        given = {"Name": name, "ConfigurationUri": "s3://artefacts/streamjoin/conf", "Database": database}
        jobs = f",{name}-capture,{name}-enrich"
        outputs = self._deploy("workflow", {**given, "CaptureTables": ",".join(tables), "Jobs": jobs})
        self.machine = outputs["Workflow"]

    def run(self, **values: Any) -> dict[str, Any]:
        """Run the state machine to its end, and return how it ended."""
        execution = self.states.start_execution(
            stateMachineArn=self.machine, input=json.dumps({"wait_seconds": 0, **values})
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.states.describe_execution(executionArn=execution["executionArn"])
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.05)
        raise AssertionError(found)

    def runs(self, job: str) -> list[dict[str, Any]]:
        return list(self.glue.get_job_runs(JobName=f"{self.name}-{job}")["JobRuns"])

    def _deploy(self, template: str, parameters: dict[str, str]) -> dict[str, str]:
        client, stack = aws_client("cloudformation"), f"{self.name}-{template}"
        client.create_stack(
            StackName=stack,
            TemplateBody=(ROOT / "infra" / f"{template}.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        client.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )  # type: ignore[typeddict-item]
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


@pytest.fixture
def pipeline(
    stack: LocalStack, dynamodb: Any, make_table: Callable[..., str], fresh_name: Callable[[str], str]
) -> tuple[Pipeline, list[str]]:
    # With signs that Athena's names haven't.
    tables = [f"{fresh_name('Order.Lines')}-X", make_table({"id": "S", "at": "N"})]
    create_table(dynamodb, tables[0], {"id": "S"})
    made = Pipeline(fresh_name("flow"), fresh_name("database").replace("-", "_"), [f"{tables[0]}:id", tables[1]])
    made.glue.create_database(DatabaseInput={"Name": made.database})
    for entry in entries(tables):
        made.glue.create_table(DatabaseName=made.database, TableInput={"Name": entry})
    return made, tables


def entries(tables: list[str]) -> list[str]:
    """Return how the catalog calls the two tables, of which the second merges on read."""
    first, second = map(athena_name, tables)
    return [first, f"{second}_ro"]


def test_the_workflow_seeds_backfills_every_captured_table_starts_the_jobs_and_finds_their_tables(
    pipeline: tuple[Pipeline, list[str]], dynamodb: Any
) -> None:
    made, (seeded, other) = pipeline
    ended = made.run(seed={seeded: [{"PutRequest": {"Item": {"id": {"S": "r-1"}, "total": {"N": "9.5"}}}}]})
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == {
        "jobs": [f"{made.name}-capture", f"{made.name}-enrich"],
        "tables": entries([seeded, other]),
    }
    assert dynamodb.scan(TableName=seeded)["Items"] == [{"id": {"S": "r-1"}, "total": {"N": "9.5"}}]
    configurations = {each["Arguments"]["--config"] for each in made.runs("backfill")}
    assert configurations == {f"s3://artefacts/streamjoin/conf/backfill-{table}.yaml" for table in (seeded, other)}
    assert {job: len(made.runs(job)) for job in ("capture", "enrich")} == {"capture": 1, "enrich": 1}


def test_the_workflow_may_be_run_again_and_for_some_tables_alone(pipeline: tuple[Pipeline, list[str]]) -> None:
    made, (seeded, other) = pipeline
    ended = made.run(tables=[other])
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["tables"] == entries([seeded, other])[1:]
    assert [each["Arguments"]["--config"].rpartition("-table-")[0] for each in made.runs("backfill")] == [
        "s3://artefacts/streamjoin/conf/backfill"
    ]


def test_a_job_that_is_not_there_ends_the_workflow_with_its_reason(pipeline: tuple[Pipeline, list[str]]) -> None:
    made, _ = pipeline
    made.glue.delete_job(JobName=f"{made.name}-backfill")
    ended = made.run()
    assert ended["status"] == "FAILED"
    assert "EntityNotFound" in ended["error"]
    assert made.runs("capture") == []


def test_a_table_that_never_comes_into_the_catalog_ends_the_workflow_with_its_name(
    pipeline: tuple[Pipeline, list[str]],
) -> None:
    made, (missing, _) = pipeline
    made.glue.delete_table(DatabaseName=made.database, Name=athena_name(missing))
    ended = made.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "NoTable")
    assert f"has neither {athena_name(missing)} nor {athena_name(missing)}_ro, the table {missing};" in ended["cause"]
