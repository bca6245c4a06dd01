"""A Glue Data Catalog for tests: moto's. The embedded services' own keeps no partitions."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from streamjoin.aws.clients import aws_client
from streamjoin.local.processes import stop_process
from streamjoin.local.stack import HOST, free_port
from tests.start_up import variables

_READY_SECONDS = 60.0


@contextmanager
def glue_catalog() -> Iterator[str]:
    """Run a catalog, to which this process and whatever it starts talks until the block ends; gives its endpoint."""
    endpoint = f"http://{HOST}:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", HOST, "-p", endpoint.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(endpoint, process)
        with glue_at(endpoint):
            yield endpoint
    finally:
        stop_process(process)


@contextmanager
def glue_at(endpoint: str) -> Iterator[None]:
    """Let clients of Glue that are made from now on talk to `endpoint`."""
    with variables({"AWS_ENDPOINT_URL_GLUE": endpoint}):
        aws_client.cache_clear()
        yield
    aws_client.cache_clear()


def _wait(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with direct.open(f"{endpoint}/moto-api/", timeout=5):
                return
        except OSError:
            assert process.poll() is None, "moto ended"
            assert time.monotonic() < deadline, "moto gives no answer"
            time.sleep(0.1)
