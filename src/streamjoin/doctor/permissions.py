"""What the job's role is allowed, by IAM's own simulation; it heeds the role's policies, and no bucket's or key's."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from streamjoin.aws.errors import SDK_ERRORS
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good, unknown
from streamjoin.doctor.needs import Need, needs

_SIMULATING: Final = (
    "Allow iam:SimulatePrincipalPolicy and iam:GetRole to who runs the doctor; the job doesn't need them. Or compare "
    "the role with the permissions in docs/glue.md."
)
_NOBODY: Final = "Give the SDK credentials that work: aws sts get-caller-identity shows whose they are."
_ROOT: Final = "Run it as the job's role: aws sts assume-role."


def permissions(context: Context) -> Iterator[Finding]:
    """Ask IAM whether each action that the job needs is allowed to the role that this runs as, or that it assumes."""
    try:
        identity = context.client("sts", None, None).get_caller_identity()
    except FAILURES as error:
        yield Finding.of_error("who this is", error, remedy=_NOBODY, needed=False)
        return
    caller, account = str(identity["Arn"]), str(identity["Account"])
    partition, own = caller.split(":")[1], _policy_source(context, caller)
    if own is None:
        yield unknown("IAM", "this runs as the account's root user, or as no role or user of IAM", _ROOT)
    for need in needs(context, partition=partition, account=account):
        what, source = f"IAM: {need.what}", need.role_arn or own
        if source is None:
            continue
        try:
            yield _simulated(context, need, what, source)
        except SDK_ERRORS as error:
            yield Finding.of_error(what, error, remedy=_SIMULATING, needed=False)


def _simulated(context: Context, need: Need, what: str, source: str) -> Finding:
    request = {"PolicySourceArn": source, "ActionNames": list(need.actions), "ResourceArns": list(need.resources)}
    client = context.client("iam", None, None)
    results: list[dict[str, Any]] = []
    while True:
        answer = client.simulate_principal_policy(**request)
        results += answer["EvaluationResults"]
        if not answer.get("IsTruncated"):
            break
        request["Marker"] = answer["Marker"]
    name = source.rpartition("/")[2]
    refused = _unique(each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed")
    if refused:
        on = ", ".join(need.resources)
        return bad(what, f"'{name}' may not: {', '.join(refused)}", f"Allow {', '.join(refused)} on {on} to '{name}'.")
    return good(what, f"'{name}' may: {', '.join(need.actions)}")


def _policy_source(context: Context, caller: str) -> str | None:
    """Return the ARN of the role or user whose policies count; None of the root user and of others without any."""
    resource = caller.split(":", 5)[5]
    kind, _, name = resource.partition("/")
    if kind == "user":
        return caller
    if kind != "assumed-role":
        return None
    role = name.partition("/")[0]
    try:
        # A session's ARN doesn't have the path that the role's has.
        return str(context.client("iam", None, None).get_role(RoleName=role)["Role"]["Arn"])
    except ClientError:
        partition, account = caller.split(":")[1], caller.split(":")[4]
        return f"arn:{partition}:iam::{account}:role/{role}"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
