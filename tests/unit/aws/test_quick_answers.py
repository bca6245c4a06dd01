"""Large answers read without the SDK's parser: what it gives is given, of bytes in every place, of bad answers too."""

import json
import string
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import botocore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.aws.quick_answers import read_quickly
from tests.item_values import ITEMS
from tests.services.answering import answering

SECONDS = st.integers(0, 4 * 10**12).map(lambda ms: ms / 1000)
RECORDS = st.fixed_dictionaries(
    {
        "SequenceNumber": st.text(string.digits, min_size=1),
        "ApproximateArrivalTimestamp": SECONDS,
        "Data": st.binary(max_size=9),
    },
    optional={"PartitionKey": st.text(max_size=4), "EncryptionType": st.just("KMS")},
)
CHANGES = st.fixed_dictionaries(
    {
        "eventID": st.text(max_size=3),
        "eventName": st.sampled_from(["INSERT", "MODIFY", "REMOVE"]),
        "dynamodb": st.fixed_dictionaries(
            {"ApproximateCreationDateTime": SECONDS, "Keys": ITEMS, "SequenceNumber": st.text(string.digits)},
            optional={"NewImage": ITEMS, "OldImage": ITEMS, "SizeBytes": st.integers(0, 9)},
        ),
    }
)
READ = {
    "kinesis": ("get_records", {"ShardIterator": "i"}, "Records", RECORDS),
    "dynamodb": ("scan", {"TableName": "table"}, "Items", ITEMS),
    "dynamodbstreams": ("get_records", {"ShardIterator": "i"}, "Records", CHANGES),
}


class Service(BaseHTTPRequestHandler):
    """Gives one answer, whatever it is asked."""

    body, status, kind = b"{}", 200, "application/x-amz-json-1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Service.status)
        self.send_header("Content-Type", Service.kind)
        self.send_header("Content-Length", str(len(Service.body)))
        self.end_headers()
        self.wfile.write(Service.body)

    def log_message(self, *arguments: object) -> None:
        pass


Clients = dict[str, tuple[Any, Any]]


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """Of each service one client that reads quickly, and one that doesn't."""
    with answering(Service) as endpoint:
        given: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": endpoint}
        given |= {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        config = botocore.config.Config(retries={"total_max_attempts": 1})
        made: Clients = {}
        for service in READ:
            quick, plain = (boto3.client(service, **given, config=config) for _ in range(2))  # type: ignore[call-overload]
            read_quickly(quick)
            made[service] = quick, plain
        yield made


def told(clients: Clients, service: str, body: bytes, status: int = 200, kind: str = "application/json") -> list[Any]:
    """Return what both clients make of an answer: its content, or the error."""
    Service.body, Service.status, Service.kind = body, status, kind
    operation, arguments, *_ = READ[service]
    found = []
    for client in clients[service]:
        try:
            answer = getattr(client, operation)(**arguments)
            del answer["ResponseMetadata"]
            found.append(answer)
        except Exception as error:
            found.append((type(error).__name__, str(error)))
    return found


@pytest.mark.parametrize("service", READ)
@given(data=st.data())
@settings(max_examples=40)
def test_an_answer_has_what_the_sdk_reads_in_it(clients: Clients, service: str, data: st.DataObject) -> None:
    *_, member, values = READ[service]
    more = {"MillisBehindLatest": 5, "NextShardIterator": "n", "LastEvaluatedKey": {"B": {"B": b"x"}}, "Count": 3}
    body = {member: data.draw(st.lists(values, max_size=3)), **more}
    quick, plain = told(clients, service, json.dumps(body, default=lambda data: b64encode(data).decode()).encode())
    assert quick == plain
    assert len(quick[member]) == len(body[member])


BAD: dict[str, list[Any]] = {
    "kinesis": [
        [{"SequenceNumber": "1", "ApproximateArrivalTimestamp": 1.5, "Data": "a"}],
        [{"SequenceNumber": "1", "ApproximateArrivalTimestamp": "2026-01-31T00:00:00Z", "Data": "eA=="}],
        [{"SequenceNumber": "1", "ApproximateArrivalTimestamp": 1e300, "Data": "eA=="}],
        [{"SequenceNumber": "1", "ApproximateArrivalTimestamp": 1.5, "Data": None}],
        [{"SequenceNumber": "1"}],
        [None],
        None,
        "records",
    ],
    "dynamodb": [[{"id": {"B": "a"}}], [None], None, "items", [["id"]]],
    "dynamodbstreams": [[{"dynamodb": {"ApproximateCreationDateTime": "soon"}}], [{}], None],
}


@pytest.mark.parametrize(("service", "found"), [(service, found) for service, many in BAD.items() for found in many])
def test_of_an_answer_that_is_not_as_expected_the_sdk_says_what_it_says(
    clients: Clients, service: str, found: Any
) -> None:
    member = READ[service][2]
    quick, plain = told(clients, service, json.dumps({member: found}).encode())
    assert quick == plain


@pytest.mark.parametrize("service", READ)
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"__type": "ResourceNotFoundException", "message": "gone"}', 400, "application/x-amz-json-1.1"),
        (b"<html>proxy</html>", 200, "text/html"),
        (b"{", 200, "application/x-amz-json-1.1"),
        (b"[]", 200, "application/x-amz-json-1.1"),
        (b"", 200, "application/x-amz-json-1.1"),
    ],
)
def test_errors_and_what_is_no_answer_are_told_as_the_sdk_tells_them(
    clients: Clients, service: str, body: bytes, status: int, kind: str
) -> None:
    quick, plain = told(clients, service, body, status, kind)
    assert quick == plain
