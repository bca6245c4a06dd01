"""A standalone Spark cluster on loopback: a master and its workers, each a process of its own."""

import json
import os
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyspark

from streamjoin.local.processes import stop_process
from streamjoin.local.stack import HOST, free_port
from streamjoin.spark.java import java_home
from tests.e2e.job_file import wait_for

SPARK_HOME = Path(pyspark.__file__).parent


class Cluster:
    """Runs for the length of a `with` block.

    Args:
        folder: For work directories and logs.
        workers: Of each its environment, which its executors inherit, as a machine's own would be; and how many
            executors it has, of one core each.
        java_options: For master and workers.
    """

    def __init__(self, folder: Path, workers: Sequence[tuple[Mapping[str, str], int]], java_options: str) -> None:
        self._folder, self._wanted, self._java_options = folder, workers, java_options
        self._ends = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []
        self.url = ""

    def __enter__(self) -> Self:
        port, web_port = free_port(), free_port()
        self.url = f"spark://{HOST}:{port}"
        with ExitStack() as ends:
            master = ("master.Master", "--port", str(port), "--webui-port", str(web_port))
            self._start(ends, "master", os.environ, *master)
            for number, (environment, executors) in enumerate(self._wanted):
                folder = str(self._folder / f"worker-{number}")
                size = ("-c", f"{executors}", "-m", f"{executors}g")
                worker = ("worker.Worker", *size, "-d", folder, "--webui-port", "0", self.url)
                self._workers.append(self._start(ends, f"worker-{number}", environment, *worker))
            wait_for(lambda: _workers_of(web_port) == len(self._wanted), 60)
            self._ends = ends.pop_all()
        return self

    def _start(
        self, ends: ExitStack, name: str, environment: Mapping[str, str], program: str, *options: str
    ) -> "subprocess.Popen[bytes]":
        log = ends.enter_context((self._folder / f"{name}.log").open("wb"))
        own = {
            "JAVA_HOME": java_home(),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_LOCAL_DIRS": str(self._folder / name),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": self._java_options,
        }
        process = subprocess.Popen(
            [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{program}", "--host", HOST, *options],
            env={**environment, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        ends.callback(stop_process, process)
        return process

    def executors(self, number: int) -> list[int]:
        """Return the processes of the executors that a worker runs."""
        return _children(self._workers[number].pid, "CoarseGrainedExecutorBackend")

    def kill(self, number: int) -> None:
        """Kill a worker with its executors, as when its machine ends."""
        executors = self.executors(number)
        self._workers[number].kill()
        for each in executors:
            os.kill(each, signal.SIGKILL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()


def _workers_of(web_port: int) -> int:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{HOST}:{web_port}/json/"
        ) as page:
            return int(json.load(page)["aliveworkers"])
    except OSError:
        return 0


def _children(parent: int, text: str) -> list[int]:
    """Return the child processes whose command line has `text` in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            own_parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if own_parent == parent and text in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:
            continue  # it has ended
    return found


class EventLog:
    """What Spark itself wrote down of an application.

    Args:
        folder: `spark.eventLog.dir`, of one application.
    """

    def __init__(self, folder: Path) -> None:
        (file,) = folder.iterdir()
        self._events = [json.loads(line) for line in file.read_text().splitlines()]

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (event for event in self._events if event["Event"] == f"SparkListener{kind}")

    def stages(self, place: str) -> list[int]:
        """Return the stages that were started for a line of this file, oldest first."""
        found = (event["Stage Info"] for event in self._of("StageSubmitted"))
        return list(dict.fromkeys(stage["Stage ID"] for stage in found if place in stage["Stage Name"]))

    def stages_of_lost_tasks(self) -> list[int]:
        """Return the stage of each task that died with its executor, oldest first."""
        ends = self._of("TaskEnd")
        return [end["Stage ID"] for end in ends if end["Task End Reason"]["Reason"] == "ExecutorLostFailure"]

    def tasks_by_executor(self, stage: int) -> Counter[str]:
        """Count the tasks that were done."""
        ends = (end for end in self._of("TaskEnd") if end["Stage ID"] == stage)
        return Counter(end["Task Info"]["Executor ID"] for end in ends if end["Task End Reason"]["Reason"] == "Success")
