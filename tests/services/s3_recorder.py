"""A proxy before an S3 that notes each request: those of Java are seen nowhere else."""

import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class _Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    target: str
    calls: Path
    lock = threading.Lock()

    def _forward(self) -> None:
        body = self._body()
        self._note(body)
        connection = self._connection()
        dropped = {"expect", "transfer-encoding", "content-length"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        # Of HEAD it is the object's, and no content follows.
        said = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", said or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # As the C++ SDK within pyarrow sends it.
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _connection(self) -> http.client.HTTPConnection:
        """Return the connection of this client's own, opened once."""
        if not hasattr(self, "_opened"):
            self._opened = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        return self._opened

    def _note(self, body: bytes) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        parameters = dict(each.partition("=")[::2] for each in url.query.split("&") if each)
        call = {
            "service": "s3",
            "method": self.command,
            "bucket": bucket,
            "key": key,
            "query": sorted(parameters),
            "prefix": unquote(parameters.get("prefix", "")),
            "deleted": [] if key or self.command != "POST" else re.findall(r"<Key>([^<]+)</Key>", body.decode()),
        }
        with self.lock, self.calls.open("a") as calls:
            calls.write(json.dumps(call) + "\n")

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def s3_recorder(target: str, calls: Path) -> Iterator[str]:
    """Run it for the length of a block; gives its endpoint.

    Args:
        target: The endpoint of the S3.
        calls: The file that gets a line of JSON for each request.
    """
    handler = type("Proxy", (_Proxy,), {"target": target, "calls": calls})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
