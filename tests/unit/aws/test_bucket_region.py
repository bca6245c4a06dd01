"""A bucket in another region than the SDK's, by a stand-in of S3 on this machine."""

import re
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import pytest
from pyarrow import fs

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import bucket_region, open_path
from streamjoin.errors import SinkError
from streamjoin.query import read_table
from tests.services.answering import answering


class S3(BaseHTTPRequestHandler):
    """Has buckets without objects; says the region of each but of `silent`, and lets no caller into `closed`."""

    signed_for: list[str]

    def do_HEAD(self) -> None:
        bucket = self.path.split("?")[0].strip("/")
        self.send_response(403 if bucket == "closed" else 200)
        if bucket != "silent":
            self.send_header("x-amz-bucket-region", "eu-central-1")
        self.end_headers()

    def do_GET(self) -> None:
        self.signed_for += re.findall(r"Credential=\w+/\d+/([\w-]+)/s3", self.headers["Authorization"])
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def signed_for(buckets_are_asked: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    regions: list[str] = []
    with answering(type("Handler", (S3,), {"signed_for": regions})) as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_REGION": "us-west-2",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        aws_client.cache_clear()
        yield regions
        aws_client.cache_clear()


@pytest.mark.parametrize(
    ("bucket", "region"), [("open", "eu-central-1"), ("closed", "eu-central-1"), ("silent", "us-west-2")]
)
def test_a_bucket_is_reached_in_its_own_region_whatever_the_sdks_is(
    signed_for: list[str], bucket: str, region: str
) -> None:
    assert bucket_region(bucket) == region
    filesystem, path = open_path(f"s3://{bucket}/lake")
    with suppress(OSError):
        filesystem.get_file_info(fs.FileSelector(path))
    by_pyarrow = set(signed_for)
    signed_for.clear()
    with pytest.raises(SinkError):
        read_table(f"s3://{bucket}/lake")
    assert (by_pyarrow, set(signed_for)) == ({region}, {region})
