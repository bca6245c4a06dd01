"""Conditional writes by an SDK that has them, and by one that is older; nothing is sent."""

from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ParamValidationError

from streamjoin.aws.conditions import with_conditions


class Raw(BytesIO):
    def stream(self, **_options: Any) -> Any:
        yield self.getvalue()


def s3(sent: list[dict[str, bytes]], without: tuple[str, ...] = ()) -> Any:
    """Return a client that keeps the headers of what it would send, and doesn't know some parameters."""
    session = botocore.session.Session()
    shapes = session.get_component("data_loader").load_service_model("s3", "service-2")["shapes"]
    for name in without:
        del shapes["PutObjectRequest"]["members"][name]
    client = session.create_client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106  (made up)

    def answer(request: AWSPreparedRequest, **_others: Any) -> AWSResponse:
        sent.append({name.lower(): value for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {"ETag": '"1"'}, Raw())

    client.meta.events.register("before-send.s3.PutObject", answer)
    return client


@pytest.mark.parametrize("without", [(), ("IfMatch",), ("IfMatch", "IfNoneMatch")])
def test_conditions_are_sent_and_signed_whatever_boto3_knows_of_them(without: tuple[str, ...]) -> None:
    sent: list[dict[str, Any]] = []
    client = s3(sent, without)
    if without:
        with pytest.raises(ParamValidationError):
            client.put_object(Bucket="b", Key="k", Body=b"", IfMatch='"0"')
    for _ in range(2):
        client = with_conditions(client)
    assert client.put_object(Bucket="b", Key="k", Body=b"", IfMatch='"0"')["ETag"] == '"1"'
    client.put_object(Bucket="b", Key="k", Body=b"", IfNoneMatch="*")
    client.put_object(Bucket="b", Key="k", Body=b"")
    names = ("if-match", "if-none-match")
    values = [[headers.get(name) for name in names] for headers in sent]
    decoded = [[value.decode() if isinstance(value, bytes) else value for value in each] for each in values]
    assert decoded == [['"0"', None], [None, "*"], [None, None]]
    assert "if-match" in str(sent[0]["authorization"])
