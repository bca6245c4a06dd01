"""Faults of what tables are written to: a bucket that is shared by jobs, and a proxy that breaks requests to S3."""

import hashlib
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError, EndpointConnectionError


class FakeBucket:
    """`get_object` and `put_object` of a boto3 client.

    Args:
        conditions: What it does with IfMatch and IfNoneMatch: "heeded", "ignored" or "refused".
    """

    def __init__(self, conditions: str = "heeded") -> None:
        self.conditions = conditions
        self.objects: dict[str, bytes] = {}
        self.writes = 0
        self._answers_to_lose = 0
        self._errors: list[Exception] = []

    def fail(self, *errors: Exception) -> None:
        """Let the next calls raise these, without doing anything."""
        self._errors.extend(errors)

    def lose_answers(self, count: int) -> None:
        """Let the next writes happen, but answer as if the connection had been lost."""
        self._answers_to_lose += count

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._maybe_fail()
        if Key not in self.objects:
            raise _error("NoSuchKey", "GetObject")
        return {"Body": BytesIO(self.objects[Key]), "ETag": _etag(self.objects[Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **condition: str) -> dict[str, Any]:
        self._maybe_fail()
        if condition and self.conditions == "refused":
            raise _error("NotImplemented", "PutObject")
        if condition and self.conditions == "heeded":
            there = self.objects.get(Key)
            if "IfMatch" in condition and there is None:
                raise _error("NoSuchKey", "PutObject")
            if there is not None and condition.get("IfMatch") != _etag(there):
                raise _error("PreconditionFailed", "PutObject")
        self.objects[Key] = Body
        self.writes += 1
        if self._answers_to_lose:
            self._answers_to_lose -= 1
            raise EndpointConnectionError(endpoint_url="https://s3")
        return {"ETag": _etag(Body)}

    def _maybe_fail(self) -> None:
        if self._errors:
            raise self._errors.pop(0)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


access_denied = _error("AccessDenied", "GetObject")
slow_down = _error("SlowDown", "PutObject")


@dataclass
class FakeTime:
    """A clock that moves when it is waited on; `meanwhile` is what others do in that time."""

    seconds: float = 0.0
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        self.meanwhile()


@dataclass
class Request:
    """What a client asked of S3."""

    method: str
    path: str

    @property
    def name(self) -> str:
        return urlsplit(self.path).path.rpartition("/")[2]


@dataclass
class S3Proxy:
    """A loopback proxy before an emulator's S3 that breaks the requests that it is told to.

    Args:
        target: The emulator's endpoint.
    """

    target: str
    requests: list[Request] = field(default_factory=list)
    broken: list[Request] = field(default_factory=list)
    endpoint: str = ""
    _breaks: Callable[[Request], str | None] = lambda request: None

    def breaks(self, rule: Callable[[Request], str | None]) -> None:
        """Break what `rule` gives one of these for, "503", "drop" (not done) or "done, drop"; None: leave it alone."""
        self.requests, self.broken, self._breaks = [], [], rule

    @contextmanager
    def running(self) -> Iterator["S3Proxy"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def fault(self, request: Request) -> str | None:
        self.requests.append(request)
        kind = self._breaks(request)
        if kind:
            self.broken.append(request)
        return kind


def _handler(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    host = urlsplit(proxy.target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else what follows the headers waits 40 ms for the acknowledgement of them.
        disable_nagle_algorithm = True

        def relay(self) -> None:
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
            assert not chunked, "no client of these tests sends chunks"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(Request(self.command, self.path))
            if fault == "503":
                self._answer(503, [], b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>")
                return
            if fault == "drop":
                self.close_connection = True
                return
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault == "done, drop":
                self.close_connection = True
                return
            self._answer(answer.status, answer.getheaders(), content)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            hop = ("transfer-encoding", "connection", "content-length")
            for name, value in headers:
                if name.lower() not in hop:
                    self.send_header(name, value)
            # The answer to HEAD has the length of what it doesn't have.
            length = dict((n.lower(), v) for n, v in headers).get("content-length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay

    return Handler
