"""What the policies of stacks on paper allow."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.stacks.on_paper import Resource


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, one or many values as lists."""

    where: str
    role: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principal: Any
    condition: Any


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _of(document: dict[str, Any], where: str, role: str = "") -> Iterator[Statement]:
    for each in document["Statement"]:
        yield Statement(
            f"{where} {each.get('Sid', '')}".strip(),
            role,
            each["Effect"],
            _listed(each.get("Action")),
            _listed(each.get("Resource")),
            each.get("Principal"),
            each.get("Condition"),
        )


def trusts(made: Iterable[Resource]) -> Iterator[Statement]:
    """Yield who may take which role."""
    for each in made:
        if each.kind == "AWS::IAM::Role":
            yield from _of(each.properties["AssumeRolePolicyDocument"], each.name, _name(each))


def grants(made: Iterable[Resource]) -> Iterator[Statement]:
    """Yield what roles may do: by their own policies, by those of tables, by managed ones of the stacks."""
    made = list(made)
    managed = {f"{each.kind}/{each.name}": each for each in made if each.kind == "AWS::IAM::ManagedPolicy"}
    for each in made:
        where = f"{each.stack.file} {each.name}"
        if each.kind == "AWS::IAM::Policy":
            for role in each.properties["Roles"]:
                yield from _of(each.properties["PolicyDocument"], where, role)
        elif each.kind == "AWS::IAM::Role":
            for own in each.properties.get("Policies", []):
                yield from _of(own["PolicyDocument"], where, _name(each))
            for arn in each.properties.get("ManagedPolicyArns", []):
                if arn in managed:
                    yield from _of(managed[arn].properties["PolicyDocument"], where, _name(each))


def of_resources(made: Iterable[Resource]) -> Iterator[Statement]:
    """Yield the statements of buckets' and topics' policies."""
    for each in made:
        if each.kind in ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
            yield from _of(each.properties["PolicyDocument"], f"{each.stack.file} {each.name}")


def covers(pattern: str, name: str) -> bool:
    """Tell whether a pattern of IAM, with * and ?, matches."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), name) is not None


def allows(statements: Iterable[Statement], action: str, arn: str) -> bool:
    """Tell whether one of the statements allows an action on a resource."""
    return any(
        each.effect == "Allow" and action in each.actions and any(covers(pattern, arn) for pattern in each.resources)
        for each in statements
    )


def _name(role: Resource) -> str:
    return str(role.properties.get("RoleName", f"{role.stack.path}/{role.name}"))
