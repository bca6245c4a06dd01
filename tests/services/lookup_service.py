"""Fake tables for other processes: asked by HTTP, as the service is."""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import ClientError

from tests.faults.lookup import FakeItemTable, Refused


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else what follows the headers waits 40 ms for the acknowledgement of them.
    disable_nagle_algorithm = True
    tables: Mapping[str, FakeItemTable]

    def do_POST(self) -> None:
        request = _from_wire(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        table = self.tables[request.get("TableName") or next(iter(request["RequestItems"]))]
        name = self.headers["X-Amz-Target"].rpartition(".")[2]
        call = {"BatchGetItem": table.batch_get_item, "Query": table.query}[name]
        try:
            status, answer = 200, _to_wire(call(**request))
        except Refused as refused:
            # Comes to the driver as an error that no test expects.
            status, answer = 400, {"__type": "com.amazon.coral.validate#ValidationException", "message": str(refused)}
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answer = {"__type": f"x#{error.response['Error']['Code']}", "message": error.response["Error"]["Message"]}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def served(tables: Mapping[str, FakeItemTable]) -> Iterator[str]:
    """Let other processes ask tables by HTTP, as they ask the service; yields the endpoint. Tables may come later."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_TablesHandler", (_Handler,), {"tables": tables}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _from_wire(found: Any) -> Any:
    if isinstance(found, dict):
        # An attribute may be called B too; its value is a mapping then.
        is_binary = isinstance(found.get("B"), str)
        return {name: b64decode(each) if is_binary else _from_wire(each) for name, each in found.items()}
    return [_from_wire(each) for each in found] if isinstance(found, list) else found


def _to_wire(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _to_wire(each) for name, each in found.items()}
    if isinstance(found, list):
        return [_to_wire(each) for each in found]
    return b64encode(found).decode() if isinstance(found, bytes) else found
