"""A configuration in a file, and jobs over it that run as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamjoin.local.processes import signal_group

ROOT = Path(__file__).parents[2]


def submit_settings() -> dict[str, str]:
    """Return what each script that a test gives to spark-submit is told."""
    return {
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.ui.enabled": "false",
        "spark.jars.ivy": str(Path.home() / ".ivy2"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "WARN",
        # As in the tests' own session: compiled expressions earn nothing on ten rows.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }


class JobFile:
    """What starts the job of a configuration, its output in a file beside it."""

    folder: Path
    name: str
    config: Path
    python_path = str(ROOT)

    def start(self, *options: str, script: str | None = None) -> "subprocess.Popen[bytes]":
        """Start the job as a process group of its own."""
        program = ["-m", "streamjoin", "run"] if script is None else [script]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *program, str(self.config), *options],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": self.python_path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @contextmanager
    def running(self, *options: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Run the job for the length of a `with` block, whose end is `kill -9`, if it still runs then."""
        process = self.start(*options)
        try:
            yield process
        finally:
            if process.poll() is None:
                signal_group(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, *options: str, script: str | None = None, timeout_seconds: float = 240) -> int:
        process = self.start(*options, script=script)
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
            raise

    def log(self) -> str:
        """Return what all starts of the job have said."""
        path = self.folder / f"{self.name}.log"
        return path.read_text() if path.exists() else ""


def java_of(job: str) -> list[int]:
    """Return the Java processes of a job that runs on this machine."""
    wanted = f"spark.app.name={job}".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if wanted in each.read_bytes().split(b"\0"):
                found.append(int(each.parent.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 120, *, pause_seconds: float = 0.1) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause_seconds)
