"""From the statements in the order in which they were written to those that stand, in the order of their commits."""

from collections.abc import Callable, Iterable, Iterator

from streamjoin.history.folder import Folder, Statement


def standing(folder: Folder, after: str = "") -> Iterator[Statement]:
    """Yield what stands of a folder, as `replay` gives it, later than an instant.

    Raises:
        SinkError: It can't be read.
    """
    return folder.behind(after, lambda objects: replay(lambda: folder.read_all(objects)))


def replay(read: Callable[[], Iterable[Statement]]) -> Iterator[Statement]:
    """Yield what stands: each commit once, the oldest first, as it was last stated, unless it was withdrawn last.

    Holds what was withdrawn, or stated late or again: next to nothing; the rest is read twice.

    Args:
        read: Gives all statements in the order of writing; the same at each call.
    """
    newest = ""
    withdrawn: set[str] = set()
    late: dict[str, Statement] = {}
    for statement in read():
        if statement.metadata is None:
            withdrawn.add(statement.instant)
            continue
        withdrawn.discard(statement.instant)
        if statement.instant > newest:
            newest = statement.instant
        else:
            late[statement.instant] = statement
    for statement in _in_order(read(), late):
        if statement.instant not in withdrawn:
            yield statement


def _in_order(statements: Iterable[Statement], late: dict[str, Statement]) -> Iterator[Statement]:
    waiting = sorted(late, reverse=True)
    newest = ""
    for statement in statements:
        if statement.metadata is None or statement.instant <= newest:
            continue
        newest = statement.instant
        while waiting and waiting[-1] < newest:
            yield late[waiting.pop()]
        if waiting and waiting[-1] == newest:
            yield late[waiting.pop()]
        else:
            yield statement
    # Each late statement is older than one that came before it, so that none is left.
