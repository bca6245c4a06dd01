"""A Glue Data Catalog on loopback: moto's. The embedded services' own keeps no partitions."""

import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from streamjoin.local import tether
from streamjoin.local.processes import stop_process
from streamjoin.local.stack import HOST, free_port

_READY_SECONDS = 60.0


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto until the block ends; gives its endpoint.

    Raises:
        RuntimeError: It doesn't answer.
    """
    endpoint = f"http://{HOST}:{free_port()}"
    with tempfile.TemporaryFile() as log:
        process = tether.start("moto.server", "-H", HOST, "-p", endpoint.rpartition(":")[2], output=log)
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while not _answers(f"{endpoint}/moto-api/"):
                if process.poll() is not None or time.monotonic() > deadline:
                    message = f"moto gives no answer at '{endpoint}'"
                    raise RuntimeError(message)
                time.sleep(0.1)
            yield endpoint
        finally:
            stop_process(process)


def _answers(url: str) -> bool:
    # It is on this machine, whatever proxy is set.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
