"""The roles of the stacks against what each job needs, which `streamjoin doctor` knows.

The configurations are made of the stacks' outputs.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from streamjoin.doctor.context import Context
from streamjoin.doctor.needs import Need, needs
from streamjoin.entry import load_job
from tests.stacks.on_paper import ACCOUNT, REGION
from tests.stacks.shapes import ARTEFACTS, FULL, SECRET, root
from tests.unit.infra.policies import Statement, allows, grants

STACK = root(**{**FULL, "ReferenceTables": "country:code:name,products:sku"}, Replication="job")
OUT = STACK.outputs
GRANTS = list(grants(STACK.all()))
# What Glue does for a job, or Spark for its tables, which no configuration tells.
OF_GLUE_AND_SPARK = {
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    *("s3:AbortMultipartUpload", "kms:Decrypt", "kms:GenerateDataKey"),
    *("glue:GetConnection", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:CreateTags"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeRouteTables"),
    *("ec2:DescribeVpcEndpoints", "ec2:DescribeVpcAttribute"),
}
# docs/replicate.md, on each target; the doctor doesn't ask for them, as targets are known by the server alone.
ON_TARGETS = (
    *("dynamodb:DescribeTable", "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:DeleteItem"),
    *("dynamodb:UpdateItem", "dynamodb:Scan"),
)


class NoTable:
    """A client of a service that has nothing."""

    meta = SimpleNamespace(region_name=REGION)

    def describe_table(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeTable")


def hudi(base_path: str, table: str, **more: Any) -> dict[str, Any]:
    entry = {"base_path": base_path, "database": OUT["Database"], "table_name": table, "catalog": "glue", **more}
    return {"hudi": entry}


def reference(table: str, **more: Any) -> dict[str, Any]:
    return {"name": table, "dynamodb": {"table_name": table}, "on": {"sku": "sku"}, "columns": ["title"], **more}


LETTERS = {"catalog": "glue", "database": OUT["Database"]}
STREAM = {"fan_out": OUT["FanOutConsumer"]}
ENRICH = {
    "job": "enrich",
    "name": OUT["EnrichJob"],
    "source": {"kinesis": {"stream_name": OUT["EventsStream"], **STREAM}},
    "payload": {"schema": "sku string, code string"},
    "references": [
        # In memory while the table is small, so that both ways of reading it are needed.
        reference("products", mode="auto"),
        {**reference("country", mode="auto"), "on": {"code": "code"}, "columns": {"name": "country"}},
    ],
    "sink": hudi(
        OUT["EnrichBasePath"],
        OUT["LakeTable"],
        record_key=["sku"],
        delete_when="sku is null",
        glue={"tombstones": True},
    ),
    "dead_letters": {"base_path": OUT["EnrichDeadLetters"], **LETTERS},
}
MERGED: dict[str, Any] = json.loads(json.dumps(ENRICH))
MERGED["sink"]["hudi"]["table_type"] = "MERGE_ON_READ"
MERGED["references"][1] = {
    **reference("country", mode="lookup"),
    "dynamodb": {"table_name": "country", "index_name": "by_sku"},
    "columns": {"name": "country"},
}
CAPTURE = {
    "job": "capture",
    "name": OUT["CaptureJob"],
    "source": {"kinesis": {"stream_name": OUT["ChangesStream"], **STREAM}},
    "tables": [
        {
            "table_name": table,
            "layout": "changelog" if table == "readings" else "current",
            "sink": hudi(f"{OUT['CaptureBasePath']}/{table}", table),
        }
        for table in ("receipts", "readings", "old_table")
    ],
    "dead_letters": {"base_path": OUT["CaptureDeadLetters"], **LETTERS},
}
BACKFILLS = [
    {
        "job": "backfill",
        "name": f"{OUT['BackfillJob']}-{each['table_name']}",
        "source": {"dynamodb_table": {"table_name": each["table_name"]}},
        "tables": [each],
        "dead_letters": {"base_path": f"{OUT['BackfillDeadLetters']}/{each['table_name']}"},
    }
    for each in CAPTURE["tables"]  # type: ignore[attr-defined]
]
REPLICATE = {
    "job": "replicate",
    "name": OUT["ReplicateJob"],
    "source": {"mysql": {"host": "db", "user": "repl", "password_secret": SECRET}},
    "table_mappings": f"{OUT['ConfigurationUri']}/country.json",
    "target": {"dynamodb": {"create_tables": False, "control_table": OUT["ControlTable"]}},
    "dead_letters": {"base_path": OUT["ReplicateDeadLetters"]},
}
CONFIGURATIONS = {
    "enrich": [ENRICH, MERGED],
    "capture": [CAPTURE],
    "backfill": BACKFILLS,
    "replicate": [REPLICATE],
}
ROLES = {
    "enrich": OUT["EnrichJob"],
    "capture": OUT["CaptureJob"],
    "backfill": OUT["BackfillJob"],
    "replicate": OUT["ReplicateJob"],
}


def of_role(role: str) -> list[Statement]:
    found = [each for each in GRANTS if each.role == role]
    assert found
    return found


def needed(job: str) -> Iterator[Need]:
    for values in CONFIGURATIONS[job]:
        context = Context(load_job(yaml.safe_dump(values), {}), client=lambda *_: NoTable())
        yield from needs(context, partition="aws", account=ACCOUNT)
    yield Need("script and configuration", ("s3:GetObject",), (f"arn:aws:s3:::{ARTEFACTS}/streamjoin/jobs/{job}.py",))
    if job == "replicate":
        arns = tuple(f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}" for table in ("country", "products"))
        yield Need("targets", ON_TARGETS, arns)


@pytest.mark.parametrize("job", ROLES)
def test_the_role_of_a_job_may_do_all_that_the_job_needs(job: str) -> None:
    statements = of_role(ROLES[job])
    missing = [
        (need.what, action, arn)
        for need in needed(job)
        for action in need.actions
        for arn in need.resources
        if not allows(statements, action, arn)
    ]
    assert missing == []


@pytest.mark.parametrize("job", ROLES)
def test_the_role_of_a_job_may_do_nothing_that_no_job_of_its_kind_needs(job: str) -> None:
    asked = {(action, arn) for need in needed(job) for action in need.actions for arn in need.resources}
    idle = {
        action
        for each in of_role(ROLES[job])
        for action in each.actions
        if action not in OF_GLUE_AND_SPARK
        and not any(action == wanted and allows([each], action, arn) for wanted, arn in asked)
    }
    assert idle == set()


def test_no_job_may_write_where_another_one_writes() -> None:
    places = {job: f"arn:aws:s3:::{OUT['LakeBucket']}/{job}/dead_letters/part.parquet" for job in ROLES}
    assert {
        (job, other)
        for job, role in ROLES.items()
        for other, arn in places.items()
        if allows(of_role(role), "s3:PutObject", arn)
    } == {(job, job) for job in ROLES}
    captured = f"arn:aws:s3:::{OUT['LakeBucket']}/capture/tables/receipts/part.parquet"
    assert [job for job, role in ROLES.items() if allows(of_role(role), "s3:PutObject", captured)] == [
        "capture",
        "backfill",
    ]


def test_a_job_may_write_no_table_of_dynamodb_unless_it_replicates() -> None:
    writes = ("dynamodb:PutItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem")
    writers = {each.role for each in GRANTS if set(writes) & set(each.actions)}
    assert writers == {OUT["ReplicateJob"], "streamjoin-dev-workflow"}
    seeds = [each for each in GRANTS if each.role == "streamjoin-dev-workflow" and set(writes) & set(each.actions)]
    assert {action for each in seeds for action in each.actions} == {"dynamodb:BatchWriteItem"}
    # A table that was there before is not seeded.
    assert not [each for each in seeds if "old_table" in str(each.resources)]


def test_the_workflow_may_make_the_calls_that_it_makes() -> None:
    (machine,) = (each for each in STACK.all() if each.kind == "AWS::StepFunctions::StateMachine")
    text = json.dumps(machine.properties["Definition"])
    calls = {part.split('"')[0] for part in text.split("aws-sdk:")[1:]}
    made = {f"{service}:{name[0].upper()}{name[1:]}" for service, name in (call.split(":") for call in calls)}
    assert made == {action for each in of_role("streamjoin-dev-workflow") for action in each.actions}


def own_policies_in_characters(role: str, **given: str) -> int:
    made = [each for each in root(**given).all() if each.kind in ("AWS::IAM::Role", "AWS::IAM::Policy")]
    documents = [each.properties["PolicyDocument"] for each in made if role in each.properties.get("Roles", [])]
    documents += [
        own["PolicyDocument"]
        for each in made
        if each.properties.get("RoleName") == role
        for own in each.properties["Policies"]
    ]
    return sum(len(json.dumps(each, separators=(",", ":"))) for each in documents)


def test_as_many_tables_as_are_promised_fit_into_the_policies_of_a_role() -> None:
    """IAM's quotas: the policies that are embedded in a role have 10,240 characters in all, spaces not counted."""
    names = [f"a_table_with_a_name_of_{number:07}" for number in range(40)]
    assert len(names[0]) == 30
    references, captured = ",".join(f"{name}:id" for name in names[:15]), ",".join(f"{name}:id" for name in names)
    assert (
        own_policies_in_characters("streamjoin-dev-enrich", ReferenceTables=references, FanOutConsumer="etl") <= 10240
    )
    given = {"CaptureTables": captured, "ReferenceTables": "", "FanOutConsumer": "etl"}
    assert own_policies_in_characters("streamjoin-dev-backfill", **given) <= 10240
    assert own_policies_in_characters("streamjoin-dev-workflow", **given) <= 10240
