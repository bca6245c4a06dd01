"""What errors say when they are close to a secret, or to a payload."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
import yaml
from botocore.client import BaseClient
from botocore.config import Config
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.aws.clients import aws_client
from streamjoin.entry import load_config
from streamjoin.errors import ConfigError, StreamJoinError
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.plan import Stream
from streamjoin.local.stack import server_environment
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.reference.table import describe
from streamjoin.schema.columns import schema_from_glue
from streamjoin.schema.ddl import parse_schema

SECRET = "zq7Kv0xWJt-5pRmQ2"  # noqa: S105  (made up)
TOKEN = "IQoJb3JpZ2luX2VjEJr"  # noqa: S105  (made up)
LAKE = "s3://bucket/lake"

DOCUMENT: dict[str, Any] = {
    "job": "enrich",
    "name": "orders",
    "source": {"kinesis": {"stream_name": "orders"}},
    "payload": {"schema": "uuid string, country string, orderdate string"},
    "references": [
        {
            "name": "country",
            "dynamodb": {"table_name": "countries"},
            "on": {"country": "countryname"},
            "columns": ["code"],
        }
    ],
    "sink": {"hudi": {"base_path": f"{LAKE}/orders", "table_name": "orders", "record_key": ["uuid"]}},
    "dead_letters": {"base_path": f"{LAKE}/dead"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    place: Any = document
    *parents, last = path.split(".")
    for parent in parents:
        place = place[int(parent)] if parent.isdigit() else place.setdefault(parent, {})
    place[last] = value
    return document


def refusal(document: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(yaml.safe_dump(document), environ)
    return str(caught.value)


def parts(secret: str, characters: int = 5) -> list[str]:
    return [secret[start : start + characters] for start in range(len(secret) - characters + 1)]


def shows(text: str, secret: str) -> bool:
    return any(part.lower() in text.lower() for part in parts(secret))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("job", "${DB_PASSWORD}"),
        ("name", "${DB_PASSWORD} "),
        ("source.kinesis.stream_name", "${DB_PASSWORD} "),
        ("source.kinesis.stream_arn", "${DB_PASSWORD}"),
        ("source.kinesis.role_arn", "arn:aws:iam::1:role/${DB_PASSWORD}"),
        ("source.kinesis.region", "${DB_PASSWORD}"),
        ("source.kinesis.timestamp", "${DB_PASSWORD}"),
        ("source.kinesis.starting_position", "${DB_PASSWORD}"),
        ("source.kinesis.fan_out", "${DB_PASSWORD} "),
        ("source.kinesis", "${DB_PASSWORD}"),
        ("source.mysql", {"password": "${DB_PASSWORD}"}),
        ("payload.format", "${DB_PASSWORD}"),
        ("payload.schema", "uuid ${DB_PASSWORD}"),
        ("payload.schema", [{"name": "uuid", "type": "${DB_PASSWORD}"}]),
        ("payload.schema_file", "/${DB_PASSWORD}"),
        ("references.0.on", {"country": "countryname", "${DB_PASSWORD}": "x"}),
        ("references.0.columns", ["${DB_PASSWORD}", "${DB_PASSWORD}"]),
        ("references.0.schema", "code ${DB_PASSWORD}"),
        ("references.0.dynamodb.role_arn", "${DB_PASSWORD}"),
        ("output.drop", ["${DB_PASSWORD}"]),
        ("output.reference_version", {"country": "_hoodie_${DB_PASSWORD}"}),
        ("output.reference_version", {"${DB_PASSWORD}": "x"}),
        ("sink.hudi.base_path", "gs://${DB_PASSWORD}"),
        ("sink.hudi.base_path", "s3://key:${DB_PASSWORD}@bucket/orders"),
        ("sink.hudi.record_key", ["${DB_PASSWORD}"]),
        ("sink.hudi.ordering", {"column": "${DB_PASSWORD}", "format": "${DB_PASSWORD}"}),
        ("sink.hudi.partition_by", ["${DB_PASSWORD}"]),
        ("sink.hudi.partition_by", [{"name": "d", "from": "orderdate", "zone": "${DB_PASSWORD}", "format": "yyyy"}]),
        ("sink.hudi.options", {"${DB_PASSWORD}": "1"}),
        ("sink.hudi.options", {"hoodie.datasource.hive_sync.password": ["${DB_PASSWORD}"]}),
        ("sink.hudi.options", {"hoodie.datasource.hive_sync.password": [SECRET]}),
        ("sink.hudi.options", {"hoodie.table.name": "${DB_PASSWORD}"}),
        ("dead_letters.base_path", f"{LAKE}/orders/${{DB_PASSWORD}}"),
        ("limits.max_bytes_per_batch", "${DB_PASSWORD}"),
        ("trigger.interval_seconds", "${DB_PASSWORD}"),
        ("password", SECRET),
        ("source.kinesis.aws_secret_access_key", SECRET),
    ],
)
def test_no_problem_of_a_configuration_shows_a_part_of_a_secret(path: str, value: object) -> None:
    assert not shows(refusal(changed(path, value), {"DB_PASSWORD": SECRET}), SECRET)


@pytest.mark.parametrize("filling", range(21, 33, 3))
def test_a_secret_is_hidden_also_if_a_long_value_is_cut(filling: int) -> None:
    document = changed("dead_letters.base_path", f"{LAKE}/orders/{'x' * filling}${{DB_PASSWORD}}{'y' * 60}")
    text = refusal(document, {"DB_PASSWORD": SECRET})
    assert "dead_letters.base_path: found 's3://bucket" in text
    assert not shows(text, SECRET)


def test_a_secret_that_begins_another_does_not_uncover_the_rest_of_it() -> None:
    document = changed("output.drop", ["${SHORT_TOKEN}", "${LONG_TOKEN}"])
    text = refusal(document, {"SHORT_TOKEN": SECRET[:6], "LONG_TOKEN": SECRET})
    assert text.count("_TOKEN}'") == 2
    assert not shows(text, SECRET)


@pytest.fixture
def broken_credentials(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Credentials read from a file with a line break at its end, as one gets with `$(cat token)` in another shell."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": f"{SECRET}\n",
        "AWS_SESSION_TOKEN": f"{TOKEN}\n",
        "AWS_DEFAULT_REGION": "us-east-1",
        # Nothing is sent: Python refuses the header before it connects.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    once = Config(retries={"total_max_attempts": 1}, proxies={})
    monkeypatch.setattr("streamjoin.aws.clients._config", lambda *arguments: once)
    aws_client.cache_clear()
    yield
    aws_client.cache_clear()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: StreamClient(Stream("orders"), aws_client("kinesis")).shards(), id="Kinesis"),
        pytest.param(lambda: describe(aws_client("dynamodb"), "countries"), id="DynamoDB"),
        pytest.param(lambda: load_config("s3://bucket/orders.yaml"), id="S3"),
        pytest.param(lambda: schema_from_glue(aws_client("glue"), "payloads", "orders"), id="Glue"),
    ],
)
def test_credentials_that_can_not_be_sent_are_not_quoted(broken_credentials: Any, call: Callable[[], object]) -> None:
    with pytest.raises(StreamJoinError) as caught:
        call()
    assert "credential" in str(caught.value)
    assert not shows(str(caught.value), TOKEN)
    assert not shows(str(caught.value), SECRET)


# What a service says when the secret key is wrong. Source: docs.aws.amazon.com, "Troubleshoot Signature Version 4".
REFUSED_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n"
    f"host:kinesis.us-east-1.amazonaws.com\nx-amz-date:20260131T000000Z\nx-amz-security-token:{TOKEN}\n'\n"
)


def refusing(service: str, operation: str) -> BaseClient:
    client: BaseClient = boto3.client(  # type: ignore[call-overload]
        service, region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=SECRET
    )
    stubber = Stubber(client)
    stubber.add_client_error(operation, "InvalidSignatureException", REFUSED_SIGNATURE, http_status_code=403)
    stubber.activate()
    return client


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(
            lambda: StreamClient(Stream("orders"), refusing("kinesis", "list_shards")).shards(),
            id="Kinesis",
        ),
        pytest.param(lambda: describe(refusing("dynamodb", "describe_table"), "countries"), id="DynamoDB"),
        pytest.param(lambda: schema_from_glue(refusing("glue", "get_table"), "payloads", "orders"), id="Glue"),
    ],
)
def test_a_refused_signature_does_not_quote_the_session_token(call: Callable[[], object]) -> None:
    with pytest.raises(StreamJoinError, match="signature we calculated") as caught:
        call()
    assert not shows(str(caught.value), TOKEN)


def test_no_credential_reaches_the_process_of_the_embedded_services() -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "DB_PASSWORD": SECRET,
        "PATH": "/bin",
    }
    assert not {SECRET, TOKEN, "AKIAEXAMPLE"} & set(server_environment(4566, environ).values())


CANARY = "Xq7Zk0VwJ5"
SIMPLE = "id string, amount int, price decimal(5,2), at timestamp, day date, raw binary, flag boolean"
DECODERS = {
    "json": PayloadDecoder(parse_schema(f"{SIMPLE}, tags array<int>, more struct<a: int>"), PayloadFormat("json")),
    "csv": PayloadDecoder(parse_schema(SIMPLE), PayloadFormat("csv")),
}
# What JSON and CSV are made of, and what turns the canary into a wrong value, a wrong key or no document at all.
PIECES = st.sampled_from(
    [
        CANARY,
        f'"{CANARY}"',
        *'{}[]:,"\n\\ ',
        '"id"',
        '"amount"',
        '"at"',
        '"day"',
        '"raw"',
        '"tags"',
        '"more"',
        "1",
        "1e9",
    ]
)


@given(st.sampled_from(sorted(DECODERS)), st.lists(PIECES, max_size=14).map("".join), st.binary(max_size=2))
def test_the_detail_of_a_payload_that_can_not_be_decoded_quotes_none_of_it(name: str, text: str, tail: bytes) -> None:
    found = DECODERS[name](text.encode() + tail)
    assert not isinstance(found, Rejected) or CANARY not in found.detail


@pytest.mark.parametrize("column", ["amount", "price", "at", "day", "raw", "flag", "tags", "more"])
def test_the_detail_of_a_value_of_the_wrong_type_quotes_none_of_it(column: str) -> None:
    found = DECODERS["json"](json.dumps({"id": "a", column: CANARY}).encode())
    assert isinstance(found, Rejected)
    assert f"column '{column}'" in found.detail
    assert CANARY not in found.detail
