"""A stack as CloudFormation would make it, with all stacks inside of it, worked out without any service.

Of the template language it knows what the templates use, after the documentation of the functions, and refuses what it
doesn't know. A loop's identifier is put into keys (`&{X}` without what is neither letter nor digit), into `Fn::Sub` and
into `Ref`, and nowhere else, as an account does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import yaml

from tests.documents import ROOT

INFRA: Final = ROOT / "infra"
TEMPLATES: Final = sorted(INFRA.glob("*.yaml"))
ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"

_PSEUDO: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
_NOTHING: Final = object()
HERE: Final = f"{REGION}:{ACCOUNT}"
# What a `Ref` of a resource is, and what its attributes are: {} is one of its properties.
_REFS: Final = {
    "AWS::DynamoDB::Table": "{TableName}",
    "AWS::Events::Rule": "{Name}",
    "AWS::Glue::Connection": "{ConnectionInput[Name]}",
    "AWS::Glue::Database": "{DatabaseInput[Name]}",
    "AWS::Glue::Job": "{Name}",
    "AWS::IAM::Role": "{RoleName}",
    "AWS::Kinesis::Stream": "{Name}",
    "AWS::Logs::LogGroup": "{LogGroupName}",
    "AWS::S3::Bucket": "{BucketName}",
    "AWS::CloudWatch::Dashboard": "{DashboardName}",
    "AWS::SNS::Topic": f"arn:aws:sns:{HERE}:{{TopicName}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{HERE}:stateMachine:{{StateMachineName}}",
}
_ATTRIBUTES: Final = {
    (
        "AWS::DynamoDB::Table",
        "StreamArn",
    ): f"arn:aws:dynamodb:{HERE}:table/{{TableName}}/stream/2026-01-01T00:00:00.000",
    ("AWS::Events::Rule", "Arn"): f"arn:aws:events:{HERE}:rule/{{Name}}",
    ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{ACCOUNT}:role/{{RoleName}}",
    ("AWS::Kinesis::Stream", "Arn"): f"arn:aws:kinesis:{HERE}:stream/{{Name}}",
    ("AWS::S3::Bucket", "Arn"): "arn:aws:s3:::{BucketName}",
}


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        value = value.split(".", 1) if suffix == "GetAtt" else value
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def template(name: str) -> dict[str, Any]:
    """Return the template of a file, short forms written out."""
    found: dict[str, Any] = yaml.load((INFRA / name).read_text(), _Loader)  # noqa: S506  (a safe loader's child)
    return found


@dataclass(frozen=True)
class Resource:
    """A resource that a stack makes, all functions worked out."""

    name: str
    kind: str
    stack: "Stack"
    properties: dict[str, Any]


class Stack:
    """One stack.

    Args:
        file: The template's name in infra/.
        given: Values of parameters, as text.
        path: Names of the stacks around it, and its own.
    """

    def __init__(self, file: str, given: Mapping[str, str], path: str = "") -> None:
        self.file, self.path, self.template = file, path, template(file)
        declared = self.template.get("Parameters", {})
        if set(given) - set(declared):
            raise ValueError(f"{file} has no parameters {sorted(set(given) - set(declared))}")
        missing = {name for name, each in declared.items() if "Default" not in each} - set(given)
        if missing:
            raise ValueError(f"{path or file} gives {file} no {sorted(missing)}")
        self.values = {name: str(given.get(name, each.get("Default"))) for name, each in declared.items()}
        for name, each in declared.items():
            _check(file, name, each, self.values[name])
        for rule in self.template.get("Rules", {}).values():
            for each in rule["Assertions"] if self._value(rule["RuleCondition"]) else []:
                if not self._value(each["Assert"]):
                    raise ValueError(each["AssertDescription"])
        self._made: dict[str, Resource] = {}
        self._inner: dict[str, Stack] = {}

    @cached_property
    def declared(self) -> dict[str, Any]:
        """The resources of the template, loops written out."""
        return dict(self._unrolled(self.template["Resources"]))

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """What the stack makes."""
        return {
            name: self._resource(name)
            for name, each in self.declared.items()
            if "Condition" not in each or self._condition(each["Condition"])
        }

    def inner(self, name: str) -> "Stack":
        """Return a stack inside of it."""
        if name not in self._inner:
            made = self._resource(name).properties
            file = made["TemplateURL"].rpartition("/")[2]
            self._inner[name] = Stack(file, made.get("Parameters", {}), f"{self.path}/{name}")
        return self._inner[name]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """What it gives to the stack around it, or to who deploys it."""
        return {
            name: self._value(each["Value"])
            for name, each in self.template.get("Outputs", {}).items()
            if "Condition" not in each or self._condition(each["Condition"])
        }

    def all(self) -> Iterator[Resource]:
        """Yield what it makes and what the stacks inside of it make, nested stacks left out."""
        for each in self.resources.values():
            if each.kind == "AWS::CloudFormation::Stack":
                yield from self.inner(each.name).all()
            else:
                yield each

    def _unrolled(self, members: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, each in members.items():
            if not key.startswith("Fn::ForEach::"):
                yield key, each
                continue
            word, collection, fragment = each
            for item in self._value(collection):
                for inner, value in fragment.items():
                    name = inner.replace(f"&{{{word}}}", re.sub(r"[^A-Za-z0-9]", "", item)).replace(
                        f"${{{word}}}", item
                    )
                    yield name, _put_in(value, word, item)

    def _resource(self, name: str) -> Resource:
        if name not in self._made:
            each = self.declared[name]
            self._made[name] = Resource(name, each["Type"], self, self._value(each.get("Properties", {})))
        return self._made[name]

    def _condition(self, name: str) -> bool:
        return bool(self._value(self.template["Conditions"][name]))

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for each in node if (value := self._value(each)) is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise ValueError(f"{self.file}: {name} is not known here")
        return {key: value for key, each in node.items() if (value := self._value(each)) is not _NOTHING}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.values:
            value = self.values[name]
            is_list = self.template["Parameters"][name]["Type"] == "CommaDelimitedList"
            return value.split(",") if is_list else value
        made = self._resource(name)
        return _filled(_REFS.get(made.kind, f"{made.kind}/{name}"), made)

    def _attribute(self, argument: list[str]) -> Any:
        name, attribute = argument
        if attribute.startswith("Outputs."):
            return self.inner(name).outputs[attribute.removeprefix("Outputs.")]
        made = self._resource(name)
        return _filled(_ATTRIBUTES[made.kind, attribute], made)

    def _sub(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def put(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(self._value(own[name]))
            return str(self._attribute(name.split(".", 1)) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}!]+)\}", put, text)


def _of_list(argument: list[Any], stack: Stack) -> Any:
    index, items = stack._value(argument[0]), stack._value(argument[1])
    return items[int(index)]


_FUNCTIONS: Final[dict[str, Callable[[Stack, Any], Any]]] = {
    "Ref": Stack._ref,
    "Condition": Stack._condition,
    "Fn::GetAtt": Stack._attribute,
    "Fn::Sub": Stack._sub,
    "Fn::Join": lambda stack, argument: argument[0].join(stack._value(argument[1])),
    "Fn::Split": lambda stack, argument: stack._value(argument[1]).split(argument[0]),
    "Fn::Select": lambda stack, argument: _of_list(argument, stack),
    "Fn::If": lambda stack, argument: stack._value(argument[1 if stack._condition(argument[0]) else 2]),
    "Fn::Equals": lambda stack, argument: str(stack._value(argument[0])) == str(stack._value(argument[1])),
    "Fn::Not": lambda stack, argument: not stack._value(argument[0]),
    "Fn::And": lambda stack, argument: all(stack._value(argument)),
    "Fn::EachMemberEquals": lambda stack, argument: set(stack._value(argument[0])) <= {argument[1]},
    "Fn::Or": lambda stack, argument: any(stack._value(argument)),
}


def _put_in(node: Any, word: str, item: str) -> Any:
    if isinstance(node, list):
        return [_put_in(each, word, item) for each in node]
    if not isinstance(node, dict):
        return node
    if node == {"Ref": word}:
        return item
    if set(node) == {"Fn::Sub"} and isinstance(node["Fn::Sub"], str):
        return {"Fn::Sub": node["Fn::Sub"].replace(f"${{{word}}}", item)}
    return {key: _put_in(each, word, item) for key, each in node.items()}


def _filled(form: str, made: Resource) -> str:
    # A role of a Pipe has no name of its own.
    return form.format_map({"RoleName": f"{made.stack.path}/{made.name}", **made.properties})


def _check(file: str, name: str, declared: dict[str, Any], value: str) -> None:
    values = value.split(",") if declared["Type"] == "CommaDelimitedList" else [value]
    for each in values:
        if not re.fullmatch(declared.get("AllowedPattern", r"[\s\S]*"), each):
            raise ValueError(f"{file}: {name} '{each}' is not {declared['AllowedPattern']}")
        if "AllowedValues" in declared and each not in map(str, declared["AllowedValues"]):
            raise ValueError(f"{file}: {name} '{each}' is none of {declared['AllowedValues']}")
    if declared["Type"] == "Number":
        if not declared.get("MinValue", float(value)) <= float(value) <= declared.get("MaxValue", float(value)):
            raise ValueError(f"{file}: {name} {value} is out of bounds")
