"""A MySQL or MariaDB server as a source: its tables, their rows, and its binlog."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from streamjoin.dms.source_table import SourceTable, Value
from streamjoin.mysql import catalog, loading, positions, preflight
from streamjoin.mysql.address import MysqlAddress, text
from streamjoin.mysql.ahead import Ahead
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.decoder import BinlogDecoder
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.binlog.known_tables import Definition, KnownTables
from streamjoin.mysql.changes import BinlogPosition, ChunkBounds, LoadedChunk
from streamjoin.mysql.positions import StartBy
from streamjoin.mysql.session import Session
from streamjoin.mysql.snapshots import Snapshots
from streamjoin.mysql.stream import ChangeStream

# Ids of replicas that people choose are small; one at random above this hits no other.
_FIRST_SERVER_ID = 0x40000000


class MysqlServer:
    """A server, asked by one thread at a time; the connection opens with the first question.

    Args:
        address: The server.
    """

    def __init__(self, address: MysqlAddress) -> None:
        self.address = address
        self._session = Session(address)
        # Of the newest file that loads count as of: read on from one table to the next.
        self._ahead: dict[tuple[str, str], Ahead] = {}

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._session.close()

    def preflight(
        self,
        selects: Callable[[str, str], bool],
        requires: Callable[[str, str], bool],
        wanted: Sequence[preflight.Place] = (),
        *,
        may_have_none: bool = False,
    ) -> None:
        """Check that the server's settings and the user's privileges allow a replication; arguments as `check`.

        Raises:
            SourceError: They don't; lists everything, with what to run.
        """
        preflight.check(self._session, selects, requires, wanted, may_have_none=may_have_none)

    def identity(self) -> str:
        """Return what tells this server from another one behind the same name."""
        if self._session.is_mariadb:
            return f"mariadb:{text(self._session.ask('SELECT @@global.server_id')[0][0])}"
        return f"mysql:{text(self._session.ask('SELECT @@global.server_uuid')[0][0])}"

    def folds_case(self) -> bool:
        """Tell whether names of databases and tables are one, however they are spelled."""
        return self._session.folds_case

    def tables(self, selects: Callable[[str, str], bool]) -> tuple[SourceTable, ...]:
        """Return the selected base tables, never those of the server itself; see their `problems`."""
        return catalog.tables(self._session, selects)

    def table_names(self) -> list[tuple[str, str]]:
        """Return schema and name of all base tables, never those of the server itself."""
        return catalog.names(self._session)

    def table(self, schema: str, name: str) -> SourceTable | None:
        """Return one base table as it is now; None if there is none."""
        return catalog.table(self._session, schema, name)

    def has_table(self, schema: str, name: str) -> bool:
        """Tell whether a base table is there now."""
        return (schema, name) in self.table_names()

    def position(self) -> BinlogPosition:
        """Return where the binlog ends now."""
        return positions.end_position(self._session)

    def load(
        self,
        table: SourceTable,
        after_key: tuple[Value, ...] | None,
        bounds: ChunkBounds,
        since: BinlogPosition | None = None,
    ) -> Iterator[LoadedChunk]:
        """Read a table's rows; at least one chunk, also of an empty table.

        Args:
            table: As `table` or `tables` gave it.
            after_key: The `last_key` of the last chunk that was kept, to go on from there. Without effect for a table
                that isn't read by its primary key: it has none, or has ENUM, SET or FLOAT in it.
            bounds: Of a chunk.
            since: Everything up to here was read from the binlog before, and is visible.

        Delivery: a chunk's rows are at least as new as its position. Read again, a table gives its newer rows.
        """
        # A connection of its own: a result that is read as it comes keeps it busy until the last row is taken.
        with Session(self.address) as session:
            charsets = self._session.charsets()
            # What was read may hang on its way from the binlog to where it is visible, until the next file begins.
            replayed_bytes = 0 if since is not None else None
            snapshots = Snapshots(
                session, lambda end: self._settled(table, end, since, charsets), replayed_bytes=replayed_bytes
            )
            if loading.is_paged(table):
                yield from loading.pages(session, snapshots, charsets, table, after_key, bounds)
            else:
                yield from loading.stream(session, snapshots, charsets, table, bounds)

    def _settled(
        self, table: SourceTable, end: BinlogPosition, since: BinlogPosition | None, charsets: Charsets
    ) -> BinlogPosition:
        """Return the last place before `end` that a snapshot which begins now surely has of this table.

        That is where the file begins, or a later statement that altered or emptied the table: it waits until all who
        wrote to the table are committed, and keeps readers waiting until it is over.
        """
        file = (self.identity(), end.file)
        # One that failed is of no more use: it may have ended within a transaction.
        ahead = self._ahead.pop(file, None) or self._ahead_of(positions.file_begins(end), charsets)
        places = (ahead.start, ahead.last_change(table.schema, table.name, end), since)
        self._ahead = {file: ahead}
        return max((place for place in places if place is not None), key=lambda place: place.order)

    def changes(
        self, position: BinlogPosition, selects: Callable[[str, str], bool], tables: Iterable[SourceTable]
    ) -> ChangeStream:
        """Return the changes of the selected tables from a position on.

        Args:
            position: Of a `Committed`, a `LoadedChunk`, or by `position`.
            selects: Whether a table is to be replicated.
            tables: What is known of the selected tables; others are learnt from the binlog.

        Raises:
            DataLossError: The binlog no longer has the position; says to start with `--reload`.
        """
        session = self._session
        by_gtid = positions.start_by(session, position, self._first_after, self._file_created) == StartBy.GTID
        charsets = session.charsets()
        ahead = self._ahead_of(position, charsets, by_gtid=by_gtid)

        def define(schema: str, name: str) -> Definition:
            with Session(self.address) as own:
                table, place = catalog.table_and_place(own, schema, name)
            return Definition(table, place, ahead.last_change(schema, name, place))

        known = KnownTables(selects, tables, self._look, define, folds_case=self.folds_case())
        decoder = BinlogDecoder(position, known, charsets, is_mariadb=session.is_mariadb)
        dump = self._dump()
        dump.start(position, is_mariadb=session.is_mariadb, by_gtid=by_gtid)
        return ChangeStream(dump, decoder)

    def _ahead_of(self, position: BinlogPosition, charsets: Charsets, *, by_gtid: bool = False) -> Ahead:
        is_mariadb, folds_case = self._session.is_mariadb, self.folds_case()
        return Ahead(position, self._dump, charsets, is_mariadb=is_mariadb, folds_case=folds_case, by_gtid=by_gtid)

    def _look(self, schema: str, name: str) -> SourceTable | None:
        # On a connection of its own: another thread than the one that asks here reads the binlog.
        with Session(self.address) as session:
            return catalog.table(session, schema, name)

    def _dump(self) -> BinlogDump:
        return BinlogDump(self.address, _FIRST_SERVER_ID + secrets.randbelow(_FIRST_SERVER_ID))

    def _file_created(self, position: BinlogPosition) -> int | None:
        with closing(self._dump()) as dump:
            begin = positions.file_begins(position)
            dump.start(begin, is_mariadb=self._session.is_mariadb, by_gtid=False, follow=False)
            return dump.file_created()

    def _first_after(self, position: BinlogPosition) -> BinlogPosition:
        with closing(self._dump()) as dump:
            dump.start(position, is_mariadb=self._session.is_mariadb, by_gtid=True, follow=False)
            return dump.first_transaction() or self.position()
