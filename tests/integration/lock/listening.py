"""On which addresses the processes of a test listen, as Linux tells it."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


def listening(pid: int) -> set[str]:
    """Return the TCP addresses on which a process and all that it started listen, such as `127.0.0.1:4566`."""
    sockets = {inode for each in _with_children(pid) for inode in _sockets(each)}
    return {address for inode, address in _listening() if inode in sockets}


def _with_children(pid: int) -> set[int]:
    parents = {}
    for entry in _PROC.iterdir():
        # A process may end while we look at it.
        with suppress(OSError, ValueError):
            # The second field is the program's name, in parentheses, with any characters in it.
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def _listening() -> Iterator[tuple[str, str]]:
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    yield fields[9], _address(fields[1], family)


def _address(text: str, family: int) -> str:
    host, _, port = text.partition(":")
    # Words of 32 bits, each in the machine's own order.
    packed = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    shown = socket.inet_ntop(family, packed)
    return f"{shown if family == socket.AF_INET else f'[{shown}]'}:{int(port, 16)}"
