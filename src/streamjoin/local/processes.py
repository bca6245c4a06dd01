"""Ending processes that we started, by their own id and never by name."""

import os
import signal
import subprocess
from typing import IO

STOP_TIMEOUT_SECONDS = 10.0
LOG_TAIL_BYTES = 2_000


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that `pid` leads; nothing happens when it is gone."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def stop_process(process: subprocess.Popen[bytes], timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> int:
    """End a process that was started with `start_new_session=True`, and whatever it has started itself.

    Args:
        process: Told by SIGTERM to stop, so that it can end its own children in order; then its group is killed.
        timeout_seconds: Between the two.

    Returns:
        Its exit code; negative: the signal that ended it.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
    code = process.wait()
    if process.stdin is not None:
        process.stdin.close()
    return code


def tail(log: IO[bytes]) -> str:
    """Return the end of what a process has said."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - LOG_TAIL_BYTES))
    return log.read().decode(errors="replace").strip() or "no output"
