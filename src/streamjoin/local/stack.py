"""Kinesis, DynamoDB, DynamoDB Streams and S3 on this machine's loopback, for demos and tests.

The services are those of the PyPI package `ministack`: in memory, without Docker and without an account.
"""

import importlib.util
import os
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

from streamjoin.errors import LocalStackError
from streamjoin.local import tether
from streamjoin.local.processes import stop_process, tail

HOST = "127.0.0.1"
REGION = "us-east-1"
READY_TIMEOUT_SECONDS = 30.0
PORT_ATTEMPTS = 3

# What a Python program needs; anything else (SERVICES, PERSIST_STATE, USE_SSL, …) would change what the services do.
_KEPT_FOR_SERVER = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
# Names a file of certificates, says nothing about which account or endpoint is used.
_KEPT_FOR_CLIENTS = frozenset({"AWS_CA_BUNDLE"})


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Tell whether `port` of the loopback interface can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free_port(port: int) -> None:
    """Check that `port` can be bound; otherwise we would take what answers there for our own services.

    Raises:
        LocalStackError: It can't.
    """
    if not port_is_free(port):
        message = (
            f"port {port} of {HOST} is taken by another program; choose another with --port, or none for a free one"
        )
        raise LocalStackError(message)


def require_ministack() -> None:
    """Check that the embedded services are installed.

    Raises:
        LocalStackError: They aren't.
    """
    if importlib.util.find_spec("ministack") is None:
        message = (
            "the embedded services need the package 'ministack', which isn't installed in "
            f"'{sys.prefix}': pip install 'streamjoin[local]'"
        )
        raise LocalStackError(message)


def server_environment(port: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the whole environment of the service process: loopback only, quiet, no side listeners."""
    kept = {name: environ[name] for name in _KEPT_FOR_SERVER if name in environ}
    return kept | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "ERROR",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
    }


def client_variables(endpoint: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables with which every AWS SDK talks to `endpoint`, and to nothing else."""
    bypassed = [host for host in environ.get("NO_PROXY", environ.get("no_proxy", "")).split(",") if host]
    no_proxy = ",".join(dict.fromkeys([*bypassed, HOST, "localhost"]))
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "streamjoin",
        "AWS_SECRET_ACCESS_KEY": "streamjoin",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def stray_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names set in `environ` that could lead an SDK to a real account (profiles, tokens, endpoints)."""
    wanted = client_variables("", environ)
    return sorted(n for n in environ if n.startswith("AWS_") and n not in wanted and n not in _KEPT_FOR_CLIENTS)


def client_environment(endpoint: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return `environ` turned towards `endpoint`: the whole environment of a process that uses it."""
    stray = set(stray_variables(environ))
    return {n: v for n, v in environ.items() if n not in stray} | client_variables(endpoint, environ)


def is_ready(endpoint: str, timeout_seconds: float = 2.0) -> bool:
    """Tell whether embedded services answer at `endpoint`."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{endpoint}/_ministack/ready", timeout=timeout_seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until_ready(
    endpoint: str,
    exit_code: Callable[[], int | None],
    log: IO[bytes],
    timeout_seconds: float = READY_TIMEOUT_SECONDS,
) -> None:
    """Return when the services answer.

    Args:
        endpoint: Where they should.
        exit_code: Returns the exit code of their process, None while it runs.
        log: Their output; its end goes into the error.
        timeout_seconds: How long to wait.

    Raises:
        LocalStackError: Their process ended, or the time is over. The process is left as it is.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        code = exit_code()
        if code is None and is_ready(endpoint):
            return
        if code is not None:
            message = f"the embedded services ended with exit code {code}, no answer at '{endpoint}': {tail(log)}"
            raise LocalStackError(message)
        if time.monotonic() > deadline:
            message = f"the embedded services gave no answer at '{endpoint}' in {timeout_seconds:.0f} s: {tail(log)}"
            raise LocalStackError(message)
        time.sleep(0.02)


class LocalStack:
    """The embedded services for the length of a `with` block; they end with this process, also when it is killed.

    Args:
        port: Default: a free one.
    """

    def __init__(self, port: int | None = None) -> None:
        self._wanted_port = port
        self._process: tether.Process | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The URL of all services."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which an SDK uses these services."""
        return client_variables(self.endpoint)

    @property
    def pid(self) -> int:
        """The process that serves."""
        if self._process is None:
            message = "the embedded services aren't running: use LocalStack in a with block"
            raise LocalStackError(message)
        return self._process.pid

    def environ(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the whole environment for a process that uses these services."""
        return client_environment(self.endpoint, environ)

    @contextmanager
    def active(self) -> Iterator[Self]:
        """Turn this very process towards the services for the length of a `with` block."""
        from streamjoin.aws.clients import aws_client  # noqa: PLC0415  (boto3 takes half a second)

        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environ(before))
        aws_client.cache_clear()
        try:
            yield self
        finally:
            os.environ.clear()
            os.environ.update(before)
            aws_client.cache_clear()

    def __enter__(self) -> Self:
        require_ministack()
        attempts = 1 if self._wanted_port else PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                self._start(self._wanted_port or free_port())
            except LocalStackError:
                # Another process may have taken the port between our probe and the bind.
                if attempt == attempts:
                    raise
            else:
                break
        return self

    def _start(self, port: int) -> None:
        require_free_port(port)
        self.port = port
        with tempfile.TemporaryFile() as log:
            self._process = tether.start("ministack", output=log, environ=server_environment(port))
            try:
                wait_until_ready(self.endpoint, self._process.poll, log)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the services; what they held is gone."""
        if self._process is None:
            return
        stop_process(self._process)
        self._process = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
