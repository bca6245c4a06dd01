"""What is asked before Spark takes its seconds to start."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamjoin.enrich import assembly
from streamjoin.enrich.assembly import check_services
from streamjoin.entry import load_config
from streamjoin.errors import SourceError
from streamjoin.kinesis.stream import Stream
from tests.faults.reference import FakeDynamoDb, client_error
from tests.faults.stream import FakeTableStream

ORDERS = Path(__file__).parents[3] / "conf" / "enrich_orders.yaml"


class Services:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = FakeTableStream(keys=("code",))
        self.table = FakeDynamoDb([], stream={
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            "LatestStreamArn": self.stream.arn,
        })  # fmt: skip
        clients = {"dynamodb": self.table, "dynamodbstreams": self.stream}
        monkeypatch.setattr(assembly, "aws_client", lambda service, *_: clients[service])
        listed = SimpleNamespace(check=lambda: ())
        monkeypatch.setattr(assembly.kinesis, "stream_client", lambda _: listed)

    def check(self, **reference: Any) -> None:
        config = load_config(ORDERS)
        changed = config.references[0].model_copy(update=reference)
        check_services(config.model_copy(update={"references": [changed]}), Stream("orders"))


@pytest.mark.parametrize("operation", ["DescribeStream", "GetShardIterator", "GetRecords"])
def test_a_role_that_may_not_follow_a_references_stream_is_told_which_action_it_lacks(
    monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    services = Services(monkeypatch)
    services.check()

    def deny(called: str, request: dict[str, Any]) -> Exception | None:
        return client_error("AccessDeniedException", called) if called == operation else None

    services.stream.fault = deny
    with pytest.raises(SourceError, match=f"{operation} was denied.*dynamodb:{operation}"):
        services.check()


def test_a_stream_that_is_not_followed_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services(monkeypatch)
    services.check(mode="lookup")
    services.table.stream = {}
    services.check()
    assert not services.stream.calls
