from collections.abc import Callable

from streamjoin.aws.clients import aws_client
from streamjoin.kinesis import stream as kinesis
from streamjoin.local.stack import LocalStack


def test_a_role_is_assumed_and_its_credentials_are_used(stack: LocalStack, make_stream: Callable[..., str]) -> None:
    name = make_stream(2)
    role = "arn:aws:iam::000000000000:role/reader"
    stream = kinesis.Stream(name, region="us-east-1", role_arn=role)
    assert len(kinesis.stream_client(stream).shards()) == 2
    own = aws_client("kinesis", "us-east-1")._get_credentials()
    assumed = aws_client("kinesis", "us-east-1", role)._get_credentials()
    assert assumed.method == "assume-role"
    assert assumed.get_frozen_credentials().token
    assert assumed.access_key != own.access_key


def test_one_client_a_service_region_and_role_is_made(stack: LocalStack) -> None:
    assert aws_client("kinesis") is aws_client("kinesis")
    assert aws_client("kinesis") is not aws_client("kinesis", "eu-west-1")
