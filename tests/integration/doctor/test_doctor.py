"""The preflight of each job against the emulators, which know of streams, tables and buckets what a service knows."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.doctor.catalog import catalog
from streamjoin.doctor.checks import examine
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, Status
from streamjoin.doctor.permissions import permissions
from streamjoin.entry import parse_job
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import put_items


def look(document: dict[str, Any]) -> dict[str, list[Finding]]:
    """Return what each check finds."""
    found: dict[str, list[Finding]] = {}
    for check, each in examine(Context(parse_job(document))):
        found.setdefault(check.name, []).append(each)
    return found


def statuses(found: dict[str, list[Finding]], *but: str) -> set[Status]:
    return {each.status for name, lines in found.items() if name not in but for each in lines}


@pytest.fixture
def objects(s3: Any, bucket: str) -> Callable[[], list[str]]:
    return lambda: [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


def hudi(bucket: str, **more: Any) -> dict[str, Any]:
    return {"hudi": {"base_path": f"s3://{bucket}/lake/t", "table_name": "t", **more}}


# What an emulator answers of Athena's kind of question, or of IAM, is its own affair.
NOT_HERE = ("permissions", "readers", "read limit")


def test_an_enrichment_that_can_start_is_good_and_leaves_nothing_behind(
    kinesis: Any,
    dynamodb: Any,
    bucket: str,
    objects: Callable[[], list[str]],
    make_stream: Callable[..., str],
    make_table: Callable[..., str],
) -> None:
    stream, table = make_stream(2), make_table({"code": "S"}, [{"code": "IN", "name": "India"}])
    reference = {
        "name": "country",
        "dynamodb": {"table_name": table},
        "on": {"country": "code"},
        "columns": ["name"],
    }
    document = {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": stream, "fan_out": "ours"}},
        "payload": {"schema": "id string, country string"},
        "references": [reference],
        "sink": hudi(bucket, record_key=["id"]),
        "dead_letters": {"base_path": f"s3://{bucket}/lake/dead"},
    }
    found = look(document)
    assert statuses(found, *NOT_HERE) == {Status.GOOD}, json.dumps(found, default=str, indent=1)
    assert found["stream"][0].found == "ACTIVE, 2 open shards"
    assert Status.BAD not in statuses(found)
    # Neither objects nor a consumer nor an item.
    assert objects() == []
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []
    assert dynamodb.scan(TableName=table)["Count"] == 1
    # And when things are gone, they are lines, each with what to do.
    document["source"]["kinesis"]["stream_name"] = "gone"
    reference["dynamodb"] = {"table_name": "gone"}
    document["dead_letters"] = {"base_path": "s3://no-such-bucket-here/dead"}
    found = look(document)
    bad = {name: [each for each in lines if each.status is Status.BAD] for name, lines in found.items()}
    assert {name for name, lines in bad.items() if lines} >= {"stream", "references", "places"}
    assert all(each.remedy for lines in bad.values() for each in lines)
    assert objects() == []


def test_iam_is_asked_what_the_role_that_this_runs_as_may(stack: LocalStack, bucket: str) -> None:
    iam, name = aws_client("iam"), f"job-{bucket}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": ["kinesis:List*", "s3:*"], "Resource": "*"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(allowed))
    given = aws_client("sts").assume_role(RoleArn=arn, RoleSessionName="doctor")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], "us-east-1")
    document = {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "orders"}},
        "payload": {"schema": "id string"},
        "sink": hudi(bucket, record_key=["id"]),
        "dead_letters": {"base_path": f"s3://{bucket}/lake/dead"},
    }
    context = Context(parse_job(document), lambda service, region, role: session.client(service))  # type: ignore[call-overload]
    stream, *objects = permissions(context)
    assert (stream.status, "kinesis:GetRecords" in stream.found) == (Status.BAD, True), stream
    assert "kinesis:ListShards" not in stream.found
    assert {each.status for each in objects} == {Status.GOOD}, objects


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_database_and_entries_of_the_catalog_are_looked_at(stack: LocalStack, bucket: str) -> None:
    glue, database = aws_client("glue"), bucket.replace("-", "_")
    entered = {"catalog": "glue", "database": database}
    document = {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "orders"}},
        "payload": {"schema": {"glue_catalog": {"database": database, "table": "raw"}}},
        "sink": hudi(bucket, record_key=["id"], **entered),
        "dead_letters": {"base_path": f"s3://{bucket}/lake/dead", **entered},
    }
    context = Context(parse_job(document))
    payload, *entries = catalog(context)
    assert payload.status is Status.BAD
    assert {(each.status, each.found) for each in entries} == {
        (Status.GOOD, f"no database '{database}' yet: it is made with the first entry")
    }
    glue.create_database(DatabaseInput={"Name": database})
    for name, location in (("raw", "raw"), ("t", "lake/t"), ("t_dead_letters", "elsewhere")):
        storage = {"Location": f"s3://{bucket}/{location}", "Columns": [{"Name": "id", "Type": "string"}]}
        glue.create_table(DatabaseName=database, TableInput={"Name": name, "StorageDescriptor": storage})
    payload, table, letters = catalog(context)
    assert (payload.status, payload.found) == (Status.GOOD, "1 column, which the configuration fits")
    assert (table.status, letters.status) == (Status.GOOD, Status.BAD)
    assert letters.found == f"'t_dead_letters' is another table, at s3://{bucket}/elsewhere"


def test_captures_of_a_stream_and_of_a_table_s_own_stream_and_a_backfill_are_good(
    dynamodb: Any,
    bucket: str,
    objects: Callable[[], list[str]],
    make_stream: Callable[..., str],
    make_table: Callable[..., str],
) -> None:
    stream, table = make_stream(1), make_table({"id": "S"})
    put_items(dynamodb, table, [{"id": "a"}])
    letters = {"dead_letters": {"base_path": f"s3://{bucket}/lake/dead"}}
    tables = [{"table_name": table, "sink": hudi(bucket)}]
    template = {"base_path": f"s3://{bucket}/made/{{table}}", "table_name": "{table}"}
    documents = [
        {
            "job": "capture",
            "name": "c1",
            "source": {"kinesis": {"stream_name": stream}},
            "tables": [*tables, {"table_name": "*", "sink": {"hudi": template}}],
            **letters,
        },
        {
            "job": "capture",
            "name": "c2",
            "source": {"dynamodb_stream": {"table_name": table}},
            "tables": tables,
            **letters,
        },
        {
            "job": "backfill",
            "name": "b",
            "source": {"dynamodb_table": {"table_name": table}},
            "tables": tables,
            **letters,
        },
    ]
    for document in documents:
        found = look(document)
        assert statuses(found, *NOT_HERE) == {Status.GOOD}, json.dumps(found, default=str, indent=1)
        assert Status.BAD not in statuses(found)
    assert "about 1 item, key id" in found["source"][0].found
    assert objects() == []
