"""IAM's own simulation of what each job needs."""

import pytest

from streamjoin.doctor import permissions
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import DENIED, THROTTLED, Fake, clients, context, enrichment, refusal, shown

ROLE = "arn:aws:iam::123456789012:role/service/orders-job"
SESSION = "arn:aws:sts::123456789012:assumed-role/orders-job/session"


def identity(arn):
    return {"get_caller_identity": {"Arn": arn, "Account": arn.split(":")[4]}}


def simulation(*refused):
    def simulate(PolicySourceArn, ActionNames, ResourceArns, Marker=None):
        half = len(ActionNames) // 2
        names = ActionNames[half:] if Marker else ActionNames[:half]
        results = [
            {"EvalActionName": name, "EvalDecision": "implicitDeny" if name in refused else "allowed"} for name in names
        ]
        return {"EvaluationResults": results, "IsTruncated": not Marker, "Marker": "more"}

    return simulate


def look(document, *, arn=SESSION, simulate=None, role={"Role": {"Arn": ROLE}}):  # noqa: B006
    iam = {"simulate_principal_policy": simulate or simulation(), "get_role": role}
    nothing = {service: {} for service in ("kinesis", "glue", "secretsmanager")}
    stream = "arn:aws:dynamodb:us-east-1:123456789012:table/countries/stream/2026-11-30"
    nothing["dynamodb"] = {"describe_table": {"Table": {"LatestStreamArn": stream}}}
    client, made = clients(sts=identity(arn), iam=iam, **nothing)
    return list(permissions.permissions(context(document, client))), made["iam"]


def asked(iam: Fake):
    """Return what was asked: resource -> actions."""
    requests = [request for name, request in iam.calls if name == "simulate_principal_policy"]
    return {resource: set(each["ActionNames"]) for each in requests for resource in each["ResourceArns"]}


def test_an_enrichment_is_asked_for_stream_references_objects_and_roles():
    other = "arn:aws:iam::210987654321:role/reader"
    reference = {
        "name": "country",
        "dynamodb": {"table_name": "countries", "role_arn": other},
        "on": {"country": "countryname"},
        "columns": ["combinedname"],
    }
    found, iam = look(enrichment(references=[reference]))
    assert {each.status for each in found} == {Status.GOOD}, shown(found)
    assert asked(iam) == {
        "arn:aws:kinesis:us-east-1:123456789012:stream/orders": {
            "kinesis:ListShards",
            "kinesis:GetShardIterator",
            "kinesis:GetRecords",
            "kinesis:DescribeStreamSummary",
        },
        "arn:aws:dynamodb:us-east-1:123456789012:table/countries": {"dynamodb:DescribeTable", "dynamodb:Scan"},
        "arn:aws:dynamodb:us-east-1:123456789012:table/countries/stream/2026-11-30": {
            "dynamodb:DescribeStream",
            "dynamodb:GetShardIterator",
            "dynamodb:GetRecords",
        },
        other: {"sts:AssumeRole"},
        "arn:aws:s3:::bucket": {"s3:ListBucket"},
        "arn:aws:s3:::bucket/lake/t/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
        "arn:aws:s3:::bucket/lake/dead/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
    }
    sources = {request["PolicySourceArn"] for name, request in iam.calls if name == "simulate_principal_policy"}
    assert sources == {ROLE, other}


def test_the_other_jobs_are_asked_for_what_they_need():
    table = {"table_name": "orders", "sink": {"hudi": {"base_path": "s3://bucket/t", "table_name": "orders"}}}
    letters = {"dead_letters": {"base_path": "s3://bucket/dead"}}
    capture = {"job": "capture", "name": "c", "source": {"dynamodb_stream": {"table_name": "orders"}}, **letters}
    backfill = {"job": "backfill", "name": "b", "source": {"dynamodb_table": {"table_name": "orders"}}, **letters}
    mysql = {"host": "h", "user": "u", "password_secret": "s"}
    replicate = {
        "job": "replicate",
        "name": "r",
        "source": {"mysql": mysql},
        "table_mappings": "conf/dms/country_lookup.json",
    }
    of_table = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    for document, resource, action in (
        (
            {**capture, "tables": [table]},
            "arn:aws:dynamodb:us-east-1:123456789012:table/countries/stream/2026-11-30",
            "dynamodb:GetRecords",
        ),
        ({**backfill, "tables": [table]}, of_table, "dynamodb:Scan"),
        (replicate, f"{of_table.rpartition('/')[0]}/streamjoin_replication", "dynamodb:CreateTable"),
        (replicate, "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf", "secretsmanager:GetSecretValue"),
    ):
        _, iam = look(document)
        assert action in asked(iam)[resource]


def test_catalog_entries_are_asked_for_and_so_is_the_catalog_of_the_payload():
    document = enrichment(payload={"schema": {"glue_catalog": {"database": "raw", "table": "orders"}}})
    document["sink"]["hudi"]["catalog"] = "glue"
    _, iam = look(document)
    root = "arn:aws:glue:us-east-1:123456789012"
    assert asked(iam)[f"{root}:table/raw/orders"] == {"glue:GetTable"}
    assert {"glue:CreateTable", "glue:BatchUpdatePartition"} <= asked(iam)[f"{root}:table/test/t"]
    document["sink"]["hudi"]["table_type"] = "MERGE_ON_READ"
    _, iam = look(document)
    assert f"{root}:table/test/t" not in asked(iam)
    assert "glue:CreateTable" in asked(iam)[f"{root}:table/test/t_rt"]


def test_a_refused_action_is_bad_and_named_in_the_remedy():
    found, _ = look(enrichment(), simulate=simulation("kinesis:GetRecords", "s3:PutObject"))
    bad = [each for each in found if each.status is Status.BAD]
    assert [each.what for each in bad] == [
        "IAM: stream 'orders'",
        "IAM: objects below s3://bucket/lake/t",
        "IAM: objects below s3://bucket/lake/dead",
    ]
    stream = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"
    assert bad[0].remedy == f"Allow kinesis:GetRecords on {stream} to 'orders-job'."


@pytest.mark.parametrize("error", [DENIED, THROTTLED, refusal("InvalidInput")])
def test_where_simulating_is_not_allowed_it_can_not_be_told(error):
    found, _ = look(enrichment(), simulate=error)
    assert {each.status for each in found} == {Status.UNKNOWN}
    assert all(each.remedy.startswith("Allow iam:SimulatePrincipalPolicy") for each in found)


def test_a_role_that_can_not_be_looked_up_is_named_without_its_path():
    _, iam = look(enrichment(), role=DENIED)
    request = next(request for name, request in iam.calls if name == "simulate_principal_policy")
    assert request["PolicySourceArn"] == "arn:aws:iam::123456789012:role/orders-job"


def test_the_root_user_has_no_policies_to_be_told():
    found, iam = look(enrichment(), arn="arn:aws:iam::123456789012:root")
    assert {each.status for each in found} == {Status.UNKNOWN}
    assert iam.calls == []


def test_without_credentials_nothing_is_simulated():
    client, _ = clients(sts={"get_caller_identity": refusal("InvalidClientTokenId")})
    (found,) = permissions.permissions(context(enrichment(), client))
    assert (found.status, found.what) == (Status.UNKNOWN, "who this is")
