"""The files of a table, by what they are for."""

from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

KINDS_OF_FILES = ("timeline", "archived", "base", "log", "ledger", "other")


def files_of(base_path: str) -> dict[str, int]:
    """Return how many files a table has, by what they are for, and what all of them weigh."""
    found = dict.fromkeys((*KINDS_OF_FILES, "bytes"), 0)
    root = Path(base_path)
    for path in root.rglob("*"):
        # The job may clean its table meanwhile.
        with suppress(FileNotFoundError):
            status = path.stat()
            if S_ISREG(status.st_mode):
                found[_kind(path.relative_to(root))] += 1
                found["bytes"] += status.st_size
    return found


def _kind(path: Path) -> str:
    folder = path.parent.as_posix()
    if path.name.endswith(".crc"):
        # Hadoop's checksums, which it writes on a local disk alone.
        return "other"
    if folder == ".hoodie/.streamjoin/ledger":
        return "ledger"
    if folder == ".hoodie":
        return "timeline" if path.name[:1].isdigit() else "other"
    if folder.startswith((".hoodie/archived", ".hoodie/timeline/history")):
        return "archived"
    if folder.startswith(".hoodie"):
        return "other"
    return "base" if path.suffix == ".parquet" else "log" if ".log." in path.name else "other"
