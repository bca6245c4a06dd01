"""Global transaction ids: what a server calls a place in its binlog, whatever its files are called."""

from bisect import bisect_right
from collections.abc import Iterable
from uuid import UUID


class MariaDbGtids:
    """A list of MariaDB: the last transaction of each domain."""

    def __init__(self, text: str = "") -> None:
        self._last: dict[int, str] = {}
        for gtid in filter(None, (part.strip() for part in text.split(","))):
            self._last[int(gtid.partition("-")[0])] = gtid

    def add(self, domain: int, server: int, number: int) -> None:
        """Note a transaction."""
        self._last[domain] = f"{domain}-{server}-{number}"

    def __str__(self) -> str:
        return ",".join(self._last[domain] for domain in sorted(self._last))


class MysqlGtids:
    """A set of MySQL: intervals of transaction numbers for each server's UUID.

    Raises:
        ValueError: The text is not such a set; one with tags (MySQL 8.3) isn't read either.
    """

    def __init__(self, text: str = "") -> None:
        self._intervals: dict[str, list[list[int]]] = {}
        self._texts: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            uuid, *intervals = part.split(":")
            for interval in intervals:
                first, _, last = interval.partition("-")
                self._insert(str(UUID(uuid)), int(first), int(last or first))

    def add(self, uuid: str, number: int) -> None:
        """Note a transaction."""
        self._insert(uuid, number, number)

    def _insert(self, uuid: str, first: int, last: int) -> None:
        intervals = self._intervals.setdefault(uuid, [])
        self._texts.pop(uuid, None)
        index = bisect_right(intervals, [first, last])
        intervals.insert(index, [first, last])
        merged: list[list[int]] = []
        # Only neighbours can touch, so that in the usual case, one growing interval, nothing is copied.
        start = max(index - 1, 0)
        for interval in intervals[start:]:
            if merged and interval[0] <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], interval[1])
            else:
                merged.append(interval)
        intervals[start:] = merged

    def items(self) -> Iterable[tuple[str, list[list[int]]]]:
        """Return the UUIDs with their intervals, both ends included."""
        return self._intervals.items()

    def __str__(self) -> str:
        for uuid, intervals in self._intervals.items():
            if uuid not in self._texts:
                spans = (f"{first}" if first == last else f"{first}-{last}" for first, last in intervals)
                self._texts[uuid] = ":".join([uuid, *spans])
        return ",".join(self._texts[uuid] for uuid in sorted(self._intervals))


def read_gtids(text: str | None, *, is_mariadb: bool) -> MariaDbGtids | MysqlGtids | None:
    """Read what a position has; None if it has none, or a set with tags: file and offset alone lead on then."""
    if text is None:
        return None
    try:
        return MariaDbGtids(text) if is_mariadb else MysqlGtids(text)
    except ValueError:
        return None
