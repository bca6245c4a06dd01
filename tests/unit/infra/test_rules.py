"""Rules of security, of all that the stacks make in every shape of theirs."""

import pytest

from tests.stacks.on_paper import Resource, Stack, template
from tests.stacks.shapes import FULL, SECRET, STACKS, root
from tests.unit.infra.policies import Statement, grants, of_resources, trusts

MADE = [*(each for make in STACKS.values() for each in make().all()), *Stack("artefacts.yaml", {}).all()]
# Actions that know no resources, by AWS's service authorization reference; all else is by name.
ON_EVERYTHING = {
    "dynamodb:ListTables",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcAttribute",
}
# Network interfaces have no names before they are made, and Glue makes them in the subnets that the connection names.
WITHOUT_NAMES = {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:CreateTags"}
NAMES = (
    *("streamjoin-dev", "streamjoin_dev", ":artefacts/", SECRET, FULL["KmsKeyArn"], "tgt_country_lookup_table"),
    *("receipts", "readings", "old_table", "events-of-today", "table/awsdms_"),
)


def of(kind: str) -> list[Resource]:
    found = [each for each in MADE if each.kind == kind]
    assert found
    return found


def allowed() -> list[Statement]:
    return [each for each in grants(MADE) if each.effect == "Allow"]


def test_no_role_may_do_whatever_it_likes() -> None:
    assert [each for each in allowed() if any("*" in action for action in each.actions) or not each.actions] == []


def test_a_role_may_act_on_everything_only_where_the_action_knows_no_resources() -> None:
    assert {action for each in allowed() if "*" in each.resources for action in each.actions} == ON_EVERYTHING


def test_every_other_resource_has_a_name_of_the_stacks_in_it() -> None:
    nameless = {
        (action, resource)
        for each in allowed()
        for resource in each.resources
        for action in each.actions
        if resource != "*" and not any(name in resource for name in NAMES) and action not in WITHOUT_NAMES
    }
    # A database's tables are in the catalog, which has no other name.
    assert {resource.rpartition(":")[2] for _, resource in nameless} == {"catalog"}


def test_roles_are_for_services_alone_and_none_passes_one_on() -> None:
    assert all(each.principal.keys() == {"Service"} for each in trusts(MADE))
    assert [each for each in allowed() if "iam:PassRole" in each.actions or "sts:AssumeRole" in each.actions] == []
    conditions = {each.principal["Service"]: each.condition for each in trusts(MADE)}
    assert conditions["states.amazonaws.com"] == conditions["pipes.amazonaws.com"]
    assert conditions["states.amazonaws.com"] == {"StringEquals": {"aws:SourceAccount": "000000000000"}}


def test_everybody_is_meant_only_where_something_is_denied() -> None:
    assert {each.effect for each in of_resources(MADE) if each.principal == "*"} == {"Deny"}
    others = [each for each in of_resources(MADE) if each.principal != "*"]
    assert [each for each in others if each.principal.keys() != {"Service"} or not each.condition] == []


@pytest.mark.parametrize("bucket", of("AWS::S3::Bucket"), ids=lambda each: each.name)
def test_a_bucket_is_encrypted_versioned_private_and_forgets_old_versions(bucket: Resource) -> None:
    told = bucket.properties
    (rule,) = told["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
    assert (
        set(told["PublicAccessBlockConfiguration"].values()) == {True}
        and len(told["PublicAccessBlockConfiguration"]) == 4
    )
    assert told["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert told["VersioningConfiguration"] == {"Status": "Enabled"}
    (lifecycle,) = told["LifecycleConfiguration"]["Rules"]
    assert lifecycle["Status"] == "Enabled" and int(lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"]) > 0


def test_each_bucket_refuses_connections_that_are_not_encrypted() -> None:
    buckets = {each.properties["BucketName"] for each in of("AWS::S3::Bucket")}
    denied = {each.properties["Bucket"] for each in of("AWS::S3::BucketPolicy")}
    assert denied == buckets
    for each in (each for each in of_resources(MADE) if each.effect == "Deny"):
        assert each.condition == {"Bool": {"aws:SecureTransport": "false"}}
        assert each.actions == ("s3:*",)
        assert {resource.removeprefix("arn:aws:s3:::").removesuffix("/*") for resource in each.resources} <= buckets
        assert len(each.resources) == 2


def test_streams_are_encrypted() -> None:
    assert {each.properties["StreamEncryption"]["EncryptionType"] for each in of("AWS::Kinesis::Stream")} == {"KMS"}


def test_with_a_key_of_ones_own_all_data_is_encrypted_by_it_and_every_role_that_needs_it_may_use_it() -> None:
    key = FULL["KmsKeyArn"]
    made = list(root(**FULL, Replication="dms").all())
    keyed = {each.name for each in made if key in repr(each.properties) and not each.kind.startswith("AWS::IAM")}
    assert keyed == {"Lake", "EventsStream", "ChangesStream", "Items", "Instance", "Source", "Target"}
    tables = [each for each in made if each.kind == "AWS::DynamoDB::Table"]
    assert [each for each in tables if each.properties["SSESpecification"]["KMSMasterKeyId"] != key] == []
    roles = {each.role.removeprefix("streamjoin-dev-") for each in grants(made) if key in each.resources}
    assert roles == {"enrich", "capture", "backfill"}


def test_what_holds_data_stays_if_that_is_not_said_otherwise() -> None:
    kinds = ("AWS::S3::Bucket", "AWS::Kinesis::Stream", "AWS::DynamoDB::Table")
    for each in (each for kind in kinds for each in of(kind)):
        declared = each.stack.declared[each.name]
        assert declared["DeletionPolicy"] == {"Ref": "KeepData"}
        assert declared["UpdateReplacePolicy"] == "Retain"
    assert template("streamjoin.yaml")["Parameters"]["KeepData"]["Default"] == "Retain"


def test_dms_is_not_public_and_knows_the_password_by_its_secret_alone() -> None:
    assert {each.properties["PubliclyAccessible"] for each in of("AWS::DMS::ReplicationInstance")} == {False}
    words = {key for each in of("AWS::DMS::Endpoint") for key in each.properties}
    assert words & {"Password", "Username", "ServerName"} == set()
    parameters = {name for file in ("streamjoin.yaml", "replication.yaml") for name in template(file)["Parameters"]}
    assert [name for name in parameters if "password" in name.lower()] == []
