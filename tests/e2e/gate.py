"""A way to Kinesis that a test can shut, so that it knows who is reading and when."""

import http.client
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Gate:
    """Hands every call on to the services, unchanged; holds calls of `GetRecords` while it is shut.

    Args:
        endpoint: Of the services.
    """

    def __init__(self, endpoint: str) -> None:
        self._target = urlsplit(endpoint).netloc
        self._changed = threading.Condition()
        self._is_shut = False
        self.held = 0
        self.passed = 0
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else what follows the headers waits 40 ms for the acknowledgement of them.
            disable_nagle_algorithm = True

            def handle(self) -> None:
                # Who asked may be killed meanwhile.
                with suppress(ConnectionError):
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("X-Amz-Target", "").endswith(".GetRecords"):
                    gate._wait()
                connection = http.client.HTTPConnection(gate._target)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type", ""))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *parts: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def _wait(self) -> None:
        with self._changed:
            self.held += 1
            self._changed.wait_for(lambda: not self._is_shut)
            self.held -= 1
            self.passed += 1

    def shut(self) -> None:
        with self._changed:
            self._is_shut = True

    def open(self) -> None:
        with self._changed:
            self._is_shut = False
            self._changed.notify_all()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        self._server.shutdown()
        self._server.server_close()
