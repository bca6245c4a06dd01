"""The stacks as the embedded services make them, beside what they are on paper.

Left out are DMS, which the emulator does not know, and what it leaves out: where the changes of a table go, and the
maintenance window of a Glue job.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from tests.listed import listed
from tests.stacks.on_paper import INFRA, TEMPLATES, Stack
from tests.stacks.shapes import FULL, root


@pytest.fixture
def deploy(bucket: str, s3: Any) -> Callable[..., tuple[dict[str, str], Stack]]:
    """Deploy the root stack with these parameters; returns its outputs, and the same on paper."""
    for path in TEMPLATES:
        s3.put_object(Bucket=bucket, Key=f"streamjoin/infra/{path.name}", Body=path.read_bytes())
    client = aws_client("cloudformation")

    def made(**given: str) -> tuple[dict[str, str], Stack]:
        given = {"ArtefactsBucket": bucket, "KeepData": "Delete", **given}
        client.create_stack(
            StackName=given["Name"],
            TemplateBody=(INFRA / "streamjoin.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "environment", "Value": "test"}],
        )
        return ended(client, given["Name"]), root(**given)

    return made


def ended(client: Any, name: str) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.1)
    assert found["StackStatus"] == "CREATE_COMPLETE", found
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def names(stack: Stack, kind: str, name: str) -> set[str]:
    return {each.properties[name] for each in stack.all() if each.kind == kind and name in each.properties}


def check_made(paper: Stack, name: str) -> None:
    """Check that all is there that has a name of the stack or of its tables in it."""
    tables = names(paper, "AWS::DynamoDB::Table", "TableName")
    assert tables <= set(listed("dynamodb", "list_tables"))
    streams = {each for each in listed("kinesis", "list_streams") if each.startswith(name)}
    assert streams == names(paper, "AWS::Kinesis::Stream", "Name")
    alarms = aws_client("cloudwatch").describe_alarms(AlarmNamePrefix=name, MaxRecords=100)["MetricAlarms"]
    assert {(each["AlarmName"], each["MetricName"]) for each in alarms} == {
        (each.properties["AlarmName"], each.properties["MetricName"])
        for each in paper.all()
        if each.kind == "AWS::CloudWatch::Alarm"
    }
    iam = aws_client("iam")
    for role in names(paper, "AWS::IAM::Role", "RoleName"):
        own = [each for each in paper.all() if each.properties.get("RoleName") == role]
        given = [each for each in paper.all() if role in each.properties.get("Roles", [])]
        assert set(iam.list_role_policies(RoleName=role)["PolicyNames"]) == {
            *(policy["PolicyName"] for each in own for policy in each.properties["Policies"]),
            *(each.properties["PolicyName"] for each in given),
        }
    glue = aws_client("glue")
    for job in names(paper, "AWS::Glue::Job", "Name"):
        (told,) = (each.properties for each in paper.all() if each.properties.get("Name") == job)
        found = glue.get_job(JobName=job)["Job"]
        assert found["Command"] == told["Command"]
        assert found["DefaultArguments"] == told["DefaultArguments"]


def test_everything_that_can_be_asked_for_but_dms_is_made_as_it_is_on_paper(
    stack: LocalStack, deploy: Callable[..., Any], fresh_name: Callable[[str], str]
) -> None:
    name, tables = fresh_name("full"), [fresh_name("table") for _ in range(5)]
    given = {
        "ReferenceTables": f"{tables[0]}:code:name,{tables[1]}:sku=N",
        "CaptureTables": f"{tables[2]}:PK:SK,{tables[3]}:device=B:at=N,{tables[4]}",
        **{"Name": name, "Replication": "job", "KmsKeyArn": ""},
    }
    outputs, paper = deploy(**{**FULL, **given})
    assert outputs == paper.outputs
    check_made(paper, name)
    table = aws_client("dynamodb").describe_table(TableName=tables[3])["Table"]
    assert {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]} == {
        "device": "B",
        "at": "N",
    }
    tags = aws_client("dynamodb").list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert {"Key": "environment", "Value": "test"} in tags


def test_by_default_and_with_pipes_it_is_made_as_it_is_on_paper_and_goes_without_a_rest(
    stack: LocalStack, deploy: Callable[..., Any], fresh_name: Callable[[str], str]
) -> None:
    name, table, reference = fresh_name("pipes"), fresh_name("table"), fresh_name("table")
    outputs, paper = deploy(
        Name=name, CaptureTables=f"{table}:id", ChangesBy="pipe", ReferenceTables=f"{reference}:code"
    )
    assert outputs == paper.outputs
    check_made(paper, name)
    sources = [each["Source"] for each in listed("pipes", "list_pipes") if table in each["Source"]]
    assert len(sources) == 1
    client = aws_client("cloudformation")
    client.delete_stack(StackName=name)
    deadline = time.monotonic() + 60
    while any(each["StackName"] == name for each in client.describe_stacks()["Stacks"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not {table, reference} & set(listed("dynamodb", "list_tables"))
    assert not [each for each in listed("kinesis", "list_streams") if each.startswith(name)]
    assert aws_client("cloudwatch").describe_alarms(AlarmNamePrefix=name)["MetricAlarms"] == []
