"""The replicate job as a process, watched from outside: by its item in the control table, and by its log."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.replicate.source import DATABASE, KEY, TABLE, TARGET
from streamjoin.aws.clients import aws_client
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.mariadb import MariaDb
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.control_state import ControlState

NAME, CONTROL_TABLE = "bench", "bench_control"
PASSWORD_VARIABLE = "STREAMJOIN_BENCH_MYSQL_PASSWORD"  # noqa: S105  (its name)
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.02
_BATCH = re.compile(
    r" changes=(?P<changes>\d+) puts=(?P<puts>\d+) deletes=\d+ superseded=(?P<superseded>\d+).*"
    r" replay=(?P<replay>\w+) seconds=(?P<seconds>[\d.]+)"
)


def last_batches(log: str, changes: int) -> list[dict[str, Any]]:
    """Return what a log says of the batches at its end that had so many changes, or of as many as there are."""
    taken: list[dict[str, Any]] = []
    for found in reversed([*_BATCH.finditer(log)]):
        if sum(each["changes"] for each in taken) >= changes:
            break
        taken.insert(0, {name: json.loads(value) for name, value in found.groupdict().items()})
    return taken


def write_config(directory: Path, server: MariaDb) -> Path:
    """Write the job's configuration, all defaults but for names, and its table mappings; return the path."""
    place = {"object-locator": {"schema-name": DATABASE, "table-name": TABLE}}
    rules = [
        {"rule-type": "selection", "rule-id": "1", "rule-name": "select", **place, "rule-action": "include"},
        {
            "rule-type": "object-mapping",
            "rule-id": "2",
            "rule-name": "map",
            **place,
            "rule-action": "map-record-to-record",
            "target-table-name": TARGET,
            "mapping-parameters": {"partition-key-name": KEY},
        },
    ]
    (directory / "mappings.json").write_text(json.dumps({"rules": rules}))
    address = {"host": server.host, "port": server.port, "user": server.user}
    document = {
        "job": "replicate",
        "name": NAME,
        "source": {"mysql": {**address, "password": f"${{{PASSWORD_VARIABLE}}}"}},
        "table_mappings": str(directory / "mappings.json"),
        "target": {"dynamodb": {"control_table": CONTROL_TABLE}},
    }
    path = directory / "replicate.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


class Job:
    """The job, and what the control table says of it.

    Args:
        server: What it replicates.
        directory: Where its configuration and its logs go.
    """

    def __init__(self, server: MariaDb, directory: Path) -> None:
        self._directory, self._config = directory, write_config(directory, server)
        self._environ = {**os.environ, PASSWORD_VARIABLE: server.password}
        self._client: Any = aws_client("dynamodb")

    def running(self, name: str) -> JobProcess:
        """Return the process, to be started; its log has this name."""
        self._process = JobProcess(self._config, self._environ, self._directory / f"{name}.log")
        return self._process

    def last_batches(self, name: str, changes: int) -> list[dict[str, Any]]:
        """Return what the log of this name says of its last batches."""
        return last_batches((self._directory / f"{name}.log").read_text(), changes)

    def until_loading(self) -> float:
        """Return when the full load has begun."""
        return self._until(lambda state, item: state is not None)

    def until_loaded(self) -> float:
        """Return when it is over."""
        return self._until(lambda state, item: state is not None and state.loading is None)

    def until_begun(self) -> float:
        """Return when the process has the lease: from then on it reads."""
        return self._until(lambda state, item: "lease_owner" in item)

    def until_at(self, position: BinlogPosition) -> float:
        """Return when all up to `position` is in items: the job notes its position after it has written them."""
        return self._until(lambda state, item: state is not None and state.position.order >= position.order)

    def _until(self, is_so: Callable[[ControlState | None, Mapping[str, Any]], bool]) -> float:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            item = self._item()
            now = time.monotonic()
            if is_so(ControlState.from_item(item), item):
                return now
            self._process.check_running()
            if now > deadline:
                message = f"the job didn't come so far in {PATIENCE_SECONDS:.0f} s; its item: {item}"
                raise TimeoutError(message)
            time.sleep(POLL_SECONDS)

    def _item(self) -> Mapping[str, Any]:
        try:
            answer = self._client.get_item(TableName=CONTROL_TABLE, Key={"job": {"S": NAME}}, ConsistentRead=True)
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        return dict(answer.get("Item") or {})
