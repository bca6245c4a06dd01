"""What calls ask of IAM, and what a role's policies allow: the two sides of least privilege.

Source of the actions of S3: Amazon S3 user guide, "Required permissions for Amazon S3 API operations". Of all else here
an action is called as its operation is.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

PREFIXES = {"dynamodbstreams": "dynamodb"}

# Rights that no job of the rehearsal needs: who does, or the test that records that a job does.
OF_GLUE = "Glue itself: logs of jobs, and the network of a server"
OF_SPARK = "an upload in parts that fails"
ENTRIES = "test_a_catalog_is_asked_for_all_that_a_job_may_do_with_entries_and_for_nothing_else"
WRITES = "test_a_replay_of_everything_by_conditional_writes_ends_as_plain_writes_in_order_did"
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("logs:", "ec2:", "glue:GetConnection"), OF_GLUE),
    "s3:AbortMultipartUpload": OF_SPARK,
    **dict.fromkeys(("glue:CreateTable", "glue:GetPartitions", "glue:BatchGetPartition"), ENTRIES),
    **dict.fromkeys(("glue:BatchCreatePartition", "glue:BatchUpdatePartition"), ENTRIES),
    **dict.fromkeys(
        ("dynamodb:BatchGetItem", "dynamodb:Query"), "test_a_composite_key_is_got_and_its_hash_key_queried"
    ),
    "kinesis:DescribeStreamSummary": "test_latest_misses_nothing_from_the_first_start_to_a_restart",
}
OF_REPLICATE: Mapping[str, str] = {
    **dict.fromkeys(("dynamodb:PutItem", "dynamodb:DeleteItem"), WRITES),
    "dynamodb:UpdateItem": "test_a_put_needs_its_own_condition_too_and_an_item_that_it_keeps_is_not_deleted_as_older",
}


@dataclass(frozen=True)
class Call:
    """An action on a resource; "" is one that a call doesn't name (a page of a shard names its iterator alone)."""

    action: str
    resource: str
    prefix: str = ""


@dataclass(frozen=True)
class Right:
    """One action of one statement of a policy."""

    action: str
    resources: tuple[str, ...]
    condition: str = field(default="{}")

    def allows(self, call: Call) -> bool:
        if not fnmatchcase(call.action, self.action):
            return False
        prefixes = json.loads(self.condition).get("StringLike", {}).get("s3:prefix")
        if prefixes is not None and not any(fnmatchcase(call.prefix, each) for each in _listed(prefixes)):
            return False
        # What names no resource is on one that another call has named: a shard's iterator comes before its pages.
        return call.resource == "" or any(fnmatchcase(call.resource, each) for each in self.resources)


def rights(documents: Iterable[dict[str, Any]]) -> list[Right]:
    found = []
    for document in documents:
        for statement in _listed(document["Statement"]):
            assert statement["Effect"] == "Allow", statement
            condition = json.dumps(statement.get("Condition", {}))
            resources = tuple(_listed(statement["Resource"]))
            found += [Right(action, resources, condition) for action in _listed(statement["Action"])]
    return found


def role_documents(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of all policies of a role, as IAM has them."""
    for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = each["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        yield _document(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield _document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def recorded(path: Path, *, account: str, region: str) -> dict[str, list[Call]]:
    """Return what each job's calls in a file ask for, each once; those to S3 are the proxy's, which sees Java's too.

    A line with a job's name stands before its calls.
    """
    found: dict[str, dict[Call, None]] = {}
    for line in path.read_text().splitlines():
        told = json.loads(line)
        if "job" in told:
            of_job = found.setdefault(told["job"], {})
        elif told["service"] == "s3":
            of_job |= dict.fromkeys(of_s3(told) if "method" in told else ())
        else:
            of_job |= dict.fromkeys(_of_sdk(told, f"{region}:{account}"))
    return {job: list(calls) for job, calls in found.items()}


def of_s3(told: dict[str, Any]) -> Iterator[Call]:
    """Yield what a request to S3 asks for."""
    method, query, bucket = told["method"], set(told["query"]), f"arn:aws:s3:::{told['bucket']}"
    if method == "POST" and "delete" in query:
        yield from (Call("s3:DeleteObject", f"{bucket}/{key}") for key in told["deleted"])
    elif told["key"]:
        action = {"DELETE": "s3:DeleteObject", "GET": "s3:GetObject", "HEAD": "s3:GetObject"}.get(
            method, "s3:PutObject"
        )
        is_abort = method == "DELETE" and "uploadId" in query
        yield Call("s3:AbortMultipartUpload" if is_abort else action, f"{bucket}/{told['key']}")
    elif "uploads" in query:
        yield Call("s3:ListBucketMultipartUploads", bucket)
    elif "location" in query:
        yield Call("s3:GetBucketLocation", bucket)
    else:
        assert method in {"GET", "HEAD"}, told
        yield Call("s3:ListBucket", bucket, told["prefix"])


def _of_sdk(told: dict[str, Any], place: str) -> Iterator[Call]:
    service, on = told["service"], told["on"]
    action = action_of(service, told["operation"])
    if service == "glue":
        root = f"arn:aws:glue:{place}"
        database, table = on.get("DatabaseName", on.get("Name")), on.get("TableName", on.get("Name"))
        yield Call(action, f"{root}:catalog")
        yield Call(action, f"{root}:database/{database}")
        if "DatabaseName" in on:
            yield Call(action, f"{root}:table/{database}/{table}")
        return
    arn = on.get("StreamARN") or on.get("StreamArn") or on.get("ConsumerARN") or on.get("SecretId")
    if arn:
        yield Call(action, arn)
    elif "StreamName" in on:
        yield Call(action, f"arn:aws:kinesis:{place}:stream/{on['StreamName']}")
    elif "TableName" in on:
        yield Call(action, f"arn:aws:dynamodb:{place}:table/{on['TableName']}")
    elif "TableNames" in on:
        yield from (Call(action, f"arn:aws:dynamodb:{place}:table/{name}") for name in on["TableNames"])
    else:
        yield Call(action, "")


def action_of(service: str, operation: str) -> str:
    """Return the action that a call of the SDK asks for."""
    return f"{PREFIXES.get(service, service)}:{operation}"


@contextmanager
def asked(*clients: Any) -> Iterator[set[str]]:
    """Collect the actions that clients of this process ask for, as botocore's events tell them."""
    found: set[str] = set()

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        # A transaction asks for what is in it (Amazon DynamoDB developer guide, "IAM and transactions").
        parts = [f"{kind}Item" for each in params.get("TransactItems", ()) for kind in each]
        found.update(action_of(model.service_model.service_name, name) for name in parts or [model.name])

    for each in clients:
        each.meta.events.register("before-parameter-build", note)
    try:
        yield found
    finally:
        for each in clients:
            each.meta.events.unregister("before-parameter-build", note)


def missing(calls: Iterable[Call], allowed: Iterable[Right]) -> list[Call]:
    """Return the calls that no right allows."""
    allowed = list(allowed)
    return [call for call in calls if not any(each.allows(call) for each in allowed)]


def unused(calls: Iterable[Call], allowed: Iterable[Right]) -> list[Right]:
    """Return the rights that no call needs."""
    calls = list(calls)
    return [each for each in allowed if not any(each.allows(call) for call in calls)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _document(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
