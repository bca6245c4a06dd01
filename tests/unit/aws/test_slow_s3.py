"""An S3 that is late with its answers, by a stand-in on this machine."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from streamjoin.aws.storage import open_path
from tests.services.answering import answering

# Longer than what the C++ SDK within pyarrow waits for, if nobody tells it otherwise.
LATE_SECONDS = 3.5
CONTENT = b"rows"


class LateS3(BaseHTTPRequestHandler):
    """Has one object, which it gives late."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self._say()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        time.sleep(LATE_SECONDS)
        self._say()
        self.wfile.write(CONTENT)

    def _say(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    paths: list[str] = []
    with answering(type("Handler", (LateS3,), {"asked": paths})) as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        yield paths


def test_an_object_that_s3_is_late_to_give_is_read_and_asked_for_once(asked: list[str]) -> None:
    filesystem, path = open_path("s3://bucket/lake/file")
    with filesystem.open_input_file(path) as source:
        assert source.read() == CONTENT
    assert asked == ["/bucket/lake/file"]
