"""Who holds a lock, as it stands in the lock itself."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process that writes a table.

    Args:
        job: The job's name, and what it does with the lock if it doesn't just run: "orders (redrive)".
        host: The machine's name; to be read by people, since containers may share one.
        pid: The process.
        started_at: When it took the lock, in ISO 8601.
        place: The boot of the machine and the set of processes in which `pid` counts; None if that isn't known.
        process_start: When the process started, in ticks since the boot; tells it from a later one with its number.
        owner: Random; tells the holder's own writes from those of all others.
    """

    job: str
    host: str
    pid: int
    started_at: str
    place: str | None = None
    process_start: int | None = None
    owner: str = field(default_factory=lambda: secrets.token_hex(16))

    @classmethod
    def here(cls, job: str) -> Self:
        """Return this process as a holder."""
        return cls(
            job=job,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            place=_place(),
            process_start=_process_start(os.getpid()),
        )

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        """Return the holder that `to_json` wrote; None if the text isn't one, or says that it was given back."""
        try:
            values = json.loads(text)
            holder = cls(**{f.name: values[f.name] for f in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None
        return None if values.get("released") else holder

    def to_json(self, *, renewed: int = 0, released: bool = False) -> bytes:
        """Return the content of a lock.

        Args:
            renewed: How often the lock was renewed; makes each content another.
            released: The holder has given it back.
        """
        return json.dumps({**asdict(self), "renewed": renewed, "released": released}, indent=1).encode()

    @property
    def job_name(self) -> str:
        """The job's name alone."""
        return self.job.rpartition(" (")[0] or self.job

    def is_dead(self) -> bool:
        """Tell whether the process has certainly ended. False also if nothing is known of it, as from elsewhere."""
        if self.place is None or self.place != _place():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # another user's, but there
        started = _process_start(self.pid)
        return started is not None and started != self.process_start

    def is_here(self) -> bool:
        """Tell whether the process counts among those of this machine: then `is_dead` is certain either way."""
        return self.place is not None and self.place == _place()

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"job '{self.job}' on host '{self.host}' (process {self.pid}, since {self.started_at})"


def _place() -> str | None:
    """Return what two processes have in common that count by the same numbers, which a host's name doesn't tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None  # not Linux


def _process_start(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; -1 for one that ended and was not yet waited for."""
    try:
        # The second field is the program's name, in parentheses, with any characters in it.
        after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if after_name[0] in "ZX" else int(after_name[19])
