"""Fetching something once, although several test processes want it at the same time."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def fetched_once(target: Path, fetch: Callable[[Path], Path]) -> Path:
    """Return the folder `target`; the first caller fetches it, the others wait, and none sees half of it.

    Args:
        target: Where it is kept.
        fetch: Puts it into the empty folder that it is given, and returns what of it is to become `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
            try:
                fetch(partial).rename(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return target
