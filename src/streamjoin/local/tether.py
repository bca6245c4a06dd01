"""Run a module as a program that ends when its parent does, however the parent ends.

The parent keeps the other end of this process's standard input open and never writes to it. The kernel closes that end
when the parent dies, also by `kill -9`; end of file is then the order to stop.

    python -m streamjoin.local.tether MODULE [ARGUMENT ...]
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO

Process = subprocess.Popen[bytes]
# A Spark job that is told to stop finishes the batch in hand first.
GRACE_SECONDS = 60.0


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs `module` tethered."""
    return [sys.executable, "-m", "streamjoin.local.tether", module, *arguments]


def start(module: str, *arguments: str, output: IO[bytes], environ: Mapping[str, str] | None = None) -> Process:
    """Start `module` tethered, in a process group of its own; what it says goes to `output`."""
    return subprocess.Popen(  # noqa: S603  (our own interpreter)
        command(module, *arguments),
        env=environ,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _stop_at_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Watch standard input and run the module named by the first argument."""
    threading.Thread(target=_stop_at_end_of_input, name="tether", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
