"""Run a program that is not Python as a child that ends when this process is told to stop.

Together with the tether, a server written in another language ends with the process that started it:

    python -m streamjoin.local.tether streamjoin.local.program FOLDER PROGRAM [ARGUMENT ...]

The folder is the program's own and temporary. The process that started it removes it; if that died, we do.
"""

import os
import shutil
import signal
import subprocess
import sys
from types import FrameType


def main() -> None:
    """Run the program that the arguments name, hand SIGTERM on to it, and end with its exit code."""
    owner, (folder, *command) = os.getppid(), sys.argv[1:]
    child: subprocess.Popen[bytes] | None = None
    is_told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_told
        is_told = True
        if child is not None:
            child.terminate()

    # Before there is a child, which would live on without us.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603  (what our own caller names)
    if is_told:
        child.terminate()
    code = child.wait()
    if os.getppid() != owner:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
