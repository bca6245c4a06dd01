"""Statements on whole tables that the binlog has further on, read ahead of the rows.

Which definition a row was written with, a binlog without names doesn't say; and whether a table was emptied or altered
before it was loaded, no snapshot says. Both follow from where the last such statement of the table stands.
"""

from collections.abc import Callable
from contextlib import closing

from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.binlog.known_tables import KnownTables
from streamjoin.mysql.binlog.table import TableLayout
from streamjoin.mysql.changes import Altered, BinlogPosition, Truncated
from streamjoin.mysql.statements import TableEffect


class _EveryTable(KnownTables):
    """All tables, none of whose rows are read; what a statement does to a whole schema has an empty name."""

    def layout(
        self, body: bytes, charsets: Charsets, position: BinlogPosition, *, is_mariadb: bool
    ) -> TableLayout | None:
        del body, charsets, position, is_mariadb
        return None

    def tables_of(self, effect: TableEffect) -> list[tuple[str, str]]:
        # A statement of rows doesn't wait for those who use the table, so that it says nothing of what they see.
        return [] if effect.is_rows else [(effect.schema, effect.name or "")]


class Ahead:
    """The statements from a place on, as far as they were read.

    Args:
        start: Where to begin.
        open_dump: Returns a connection on which the binlog can be asked for.
        charsets: Decoders by collation.
        is_mariadb: The server is one.
        folds_case: Names are the same in capitals.
        by_gtid: Begin by the ids of `start`.
    """

    def __init__(
        self,
        start: BinlogPosition,
        open_dump: Callable[[], BinlogDump],
        charsets: Charsets,
        *,
        is_mariadb: bool,
        folds_case: bool,
        by_gtid: bool = False,
    ) -> None:
        self.start, self._open = start, open_dump
        self._is_mariadb, self._folds_case, self._by_gtid = is_mariadb, folds_case, by_gtid
        everything = _EveryTable(lambda schema, name: True, ())
        self._decoder = BinlogDecoder(start, everything, charsets, is_mariadb=is_mariadb)
        self._last: dict[tuple[str, str], BinlogPosition] = {}

    @property
    def position(self) -> BinlogPosition:
        """How far it was read."""
        return self._decoder.position

    def last_change(self, schema: str, name: str, until: BinlogPosition) -> BinlogPosition | None:
        """Return the end of the last statement that emptied, altered or renamed a table, or made it out of another.

        Args:
            schema: Its database.
            name: Its name.
            until: A place up to which the binlog is read at least; it is waited for.

        Raises:
            SourceError: The binlog can't be read.
        """
        if self.position.order < until.order:
            self._read(until)
        found = (self._last.get(self._key(schema, part)) for part in (name, ""))
        return max((place for place in found if place is not None), key=lambda place: place.order, default=None)

    def _read(self, until: BinlogPosition) -> None:
        with closing(self._open()) as dump:
            dump.start(self.position, is_mariadb=self._is_mariadb, by_gtid=self._by_gtid)
            self._by_gtid = False
            for event in dump.events():
                for change in self._decoder.decode(event):
                    if isinstance(change, Altered | Truncated):
                        self._last[self._key(change.schema, change.name)] = change.position
                if self.position.order >= until.order:
                    return

    def _key(self, schema: str, name: str) -> tuple[str, str]:
        return (schema.lower(), name.lower()) if self._folds_case else (schema, name)
