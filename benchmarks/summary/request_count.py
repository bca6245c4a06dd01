"""Requests to the emulator's S3, whoever sends them: counted on the way, by a server between."""

import http.client
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread, local
from urllib.parse import parse_qs, urlsplit

# They belong to one connection, not to the message.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length"})


class RequestCount:
    """What was asked since this was asked last, by kind."""

    def __init__(self) -> None:
        self._lock, self._counted = Lock(), Counter[str]()

    def note(self, kind: str) -> None:
        """Count a request."""
        with self._lock:
            self._counted[kind] += 1

    def take(self) -> Counter[str]:
        """Return the requests since the last call."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        return counted


def kind_of(method: str, target: str) -> str:
    """Return what a request of S3 is: `LIST` and `DELETE many` are a GET and a POST with a question."""
    asked = parse_qs(urlsplit(target).query, keep_blank_values=True)
    if method == "GET" and {"list-type", "prefix", "delimiter"} & asked.keys():
        return "LIST"
    return "DELETE many" if method == "POST" and "delete" in asked else method


@contextmanager
def counted_requests(endpoint: str) -> Iterator[tuple[str, RequestCount]]:
    """Serve what `endpoint` serves at another one, and count, for the length of a `with` block."""
    count = RequestCount()
    server = _Server(("127.0.0.1", 0), _handler(urlsplit(endpoint).netloc, count))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", count
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that let go of a connection, which Java does whenever it has read enough."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(behind: str, count: RequestCount) -> type[BaseHTTPRequestHandler]:
    own = local()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or what follows the headers waits for their acknowledgement, 40 ms.
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            count.note(kind_of(self.command, self.path))
            body = self._body()
            if not hasattr(own, "connection"):
                own.connection = http.client.HTTPConnection(behind, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            # Its length, which http.client alone leaves out where there is none.
            headers |= {"Content-Length": str(len(body))} if body or self.command in ("PUT", "POST") else {}
            own.connection.request(self.command, self.path, body or None, headers)
            answer = own.connection.getresponse()
            content = answer.read()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
