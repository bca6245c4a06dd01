"""A job that is looked at, and fakes of the services that answer, refuse or are away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding
from streamjoin.entry import parse_job

NOW = 1_800_000_000.0
ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"


def refusal(code: str, message: str = "no", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")


DENIED = refusal("AccessDeniedException", "User: arn:aws:iam::1:user/a is not authorized. Ask. Somebody")
THROTTLED = refusal("ThrottlingException")
MISSING = refusal("ResourceNotFoundException")
AWAY = EndpointConnectionError(endpoint_url="https://kinesis.us-east-1.amazonaws.com")


@dataclass
class Fake:
    """A client: what each call gives or raises, by its name; every call is noted."""

    answers: Mapping[str, Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="us-east-1"))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer(**request) if callable(answer) else answer

        return call


def clients(**answers: Mapping[str, Any]) -> tuple[Callable[..., Fake], dict[str, Fake]]:
    made = {service: Fake(each) for service, each in answers.items()}

    def client(service: str, region: str | None, role: str | None) -> Fake:
        if service not in made:
            raise AWAY
        return made[service]

    return client, made


def enrichment(folder: object = "s3://bucket/lake", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "orders"}},
        "payload": {"schema": "id string, country string, at string, amount int"},
        "sink": {"hudi": {"base_path": f"{folder}/t", "database": "test", "table_name": "t", "record_key": ["id"]}},
        "dead_letters": {"base_path": f"{folder}/dead"},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    return document


def context(document: Mapping[str, Any], client: Callable[..., Any], now: float = NOW) -> Context:
    return Context(parse_job(document), client, lambda: now)


def shown(findings: list[Finding]) -> list[str]:
    return [f"{each.status} {each.what}: {each.found} -> {each.remedy}" for each in findings]
