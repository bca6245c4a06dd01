"""The embedded services in the background: `streamjoin local up`, `status` and `down`.

Their address is kept in `.streamjoin/local.json` of the current directory. The service process holds a lock on
`.streamjoin/local.lock` for as long as it lives, so a process id that another process has got since is never taken for
ours.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from streamjoin.errors import LocalStackError
from streamjoin.local.processes import STOP_TIMEOUT_SECONDS, signal_group
from streamjoin.local.stack import (
    HOST,
    READY_TIMEOUT_SECONDS,
    client_variables,
    free_port,
    is_ready,
    port_is_free,
    require_free_port,
    require_ministack,
    server_environment,
    stray_variables,
    wait_until_ready,
)

STATE_DIRECTORY = Path(".streamjoin")
USUAL_PORT = 4566


@dataclass(frozen=True)
class Running:
    """Embedded services that run in the background."""

    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        """The URL of all services."""
        return f"http://{HOST}:{self.port}"

    def shell_lines(self) -> list[str]:
        """Return the lines that turn a shell towards the services."""
        unset = [f"unset {name}" for name in stray_variables()]
        return unset + [f"export {name}={value}" for name, value in client_variables(self.endpoint).items()]


def up(port: int | None = None, directory: Path = STATE_DIRECTORY) -> Running:
    """Start the services in the background, or return those that run already.

    Args:
        port: Default: 4566 when it is free, else any.
        directory: Where state, lock and log are kept.

    Raises:
        LocalStackError: They can't be started (nothing is left running), or run on another port than asked for.
    """
    require_ministack()
    directory.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        running = status(directory)
        if running is not None:
            if port not in (None, running.port):
                message = (
                    f"the embedded services run on port {running.port} already, not on {port}; "
                    "end them first: streamjoin local down"
                )
                raise LocalStackError(message)
            return running
        lock = _try_lock(directory)
        if lock is not None:
            try:
                return _start(port, directory, lock)
            finally:
                os.close(lock)
        if time.monotonic() > deadline:
            message = (
                f"'{directory / 'local.lock'}' is held, but no embedded services answer; "
                "end them: streamjoin local down"
            )
            raise LocalStackError(message)
        time.sleep(0.05)


def status(directory: Path = STATE_DIRECTORY) -> Running | None:
    """Return the services that run in the background and answer, None when there are none."""
    lock = _try_lock(directory)
    if lock is not None:
        os.close(lock)
        return None
    running = _read_state(directory)
    return running if running is not None and is_ready(running.endpoint) else None


def down(directory: Path = STATE_DIRECTORY, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> Running | None:
    """End the services and forget what they held; return what was ended.

    Raises:
        LocalStackError: They didn't end, or hold the lock without a state file to find them by.
    """
    running = _read_state(directory)
    if not _is_locked(directory):
        (directory / "local.json").unlink(missing_ok=True)
        return None
    if running is None:
        message = f"'{directory / 'local.lock'}' is held, but '{directory / 'local.json'}' doesn't say by which process"
        raise LocalStackError(message)
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(running.pid, number)
        if _holds(lambda: not _is_locked(directory), timeout_seconds):
            (directory / "local.json").unlink(missing_ok=True)
            return running
    message = f"the embedded services (process {running.pid}) didn't end within {2 * timeout_seconds:.0f} s"
    raise LocalStackError(message)


def _start(port: int | None, directory: Path, lock: int) -> Running:
    (directory / "local.json").unlink(missing_ok=True)
    chosen = port or (USUAL_PORT if port_is_free(USUAL_PORT) else free_port())
    require_free_port(chosen)
    with (directory / "local.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=server_environment(chosen),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
        running = Running(process.pid, chosen)
        try:
            _write_state(directory, running)
            wait_until_ready(running.endpoint, process.poll, log)
        except BaseException:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            (directory / "local.json").unlink(missing_ok=True)
            raise
    # It outlives us on purpose; without this, Popen warns when it is collected.
    process.returncode = 0
    return running


def _try_lock(directory: Path) -> int | None:
    try:
        lock = os.open(directory / "local.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return os.open(os.devnull, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _is_locked(directory: Path) -> bool:
    lock = _try_lock(directory)
    if lock is not None:
        os.close(lock)
    return lock is None


def _holds(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _write_state(directory: Path, running: Running) -> None:
    draft = directory / "local.json.draft"
    draft.write_text(json.dumps(asdict(running) | {"endpoint": running.endpoint}) + "\n")
    draft.replace(directory / "local.json")


def _read_state(directory: Path) -> Running | None:
    with suppress(FileNotFoundError, ValueError, KeyError):
        state = json.loads((directory / "local.json").read_text())
        return Running(int(state["pid"]), int(state["port"]))
    return None
