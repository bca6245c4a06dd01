"""What events of the binlog mean: rows, tables that changed as a whole, and ends of transactions.

If the binlog doesn't say which rows changed (a statement, a rollback of half a transaction, XA), the tables in
question are reported as altered, so that they are loaded again: slower than rows, and right.
"""

import logging
import struct
from collections.abc import Callable, Iterable

import zstandard

from streamjoin.dms.source_table import SourceTable
from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql import statements
from streamjoin.mysql.binlog import beginnings
from streamjoin.mysql.binlog import rows as binlog_rows
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.definitions import OtherDefinitionError
from streamjoin.mysql.binlog.dump import BinlogEvent
from streamjoin.mysql.binlog.known_tables import KnownTables
from streamjoin.mysql.binlog.payload import inner_events
from streamjoin.mysql.binlog.query import Query, read_query
from streamjoin.mysql.binlog.raw_columns import table_name
from streamjoin.mysql.binlog.rows import RowsType
from streamjoin.mysql.binlog.table import TableLayout, UnreadableTableError
from streamjoin.mysql.binlog.xa import XaTransactions
from streamjoin.mysql.changes import FILE_BEGINS, Altered, BinlogPosition, Change, Committed, Truncated
from streamjoin.mysql.gtids import read_gtids

log = logging.getLogger(__name__)

_QUERY, _ROTATE, _FORMAT, _XID, _LOAD_QUERY, _TABLE_MAP = 2, 4, 15, 16, 18, 19
_INCIDENT, _HEARTBEAT, _MYSQL_GTID, _ANONYMOUS_GTID, _XA_PREPARE = 26, 27, 33, 34, 38
_PARTIAL_UPDATE, _PAYLOAD, _HEARTBEAT_V2, _TAGGED_GTID = 39, 40, 41, 42
_GTID_LIST, _MARIADB_GTID, _START_ENCRYPTION, _COMPRESSED_QUERY = 163, 162, 164, 165
_HIGH = ~0xFFFFFFFF


class BinlogDecoder:
    """Changes of the selected tables, from events in order.

    Args:
        start: Where the events begin; its `gtid` is what the next ones are added to.
        known: Which tables are selected, and what is known of them.
        charsets: Decoders by collation.
        is_mariadb: The server is one.

    Attributes:
        position: The end of the last transaction, or of what stands between two.
    """

    def __init__(self, start: BinlogPosition, known: KnownTables, charsets: Charsets, *, is_mariadb: bool) -> None:
        self.position = start
        self._known, self._charsets, self._is_mariadb = known, charsets, is_mariadb
        self._file, self._offset, self._created = start.file, start.offset, start.created
        self._gtids = read_gtids(start.gtid, is_mariadb=is_mariadb)
        self._has_begun = self._in_transaction = False
        self._at_ms: int | None = None
        self._pending_gtid: tuple[int, ...] | tuple[str, int] | None = None
        self._layouts: dict[int, TableLayout | None] = {}
        self._parsed: dict[bytes, TableLayout | None] = {}
        self._touched: dict[SourceTable, None] = {}
        self._xa = XaTransactions()
        self._payload_row: int | None = None
        self._handlers: dict[int, Callable[[BinlogEvent], list[Change]]] = {
            _QUERY: lambda event: self._query(event, read_query(event.body, charsets)),
            _COMPRESSED_QUERY: lambda event: self._query(event, read_query(event.body, charsets, compressed=True)),
            _LOAD_QUERY: lambda event: self._query(event, read_query(event.body, charsets, more_header_bytes=13)),
            _XID: self._commit,
            _TABLE_MAP: self._table_map,
            _MYSQL_GTID: self._mysql_gtid,
            _ANONYMOUS_GTID: self._mysql_gtid,
            _TAGGED_GTID: self._tagged_gtid,
            _MARIADB_GTID: self._mariadb_gtid,
            _XA_PREPARE: self._xa_prepare,
            _PAYLOAD: self._payload,
            _INCIDENT: self._incident,
            _PARTIAL_UPDATE: self._partial_update,
            **dict.fromkeys(map(int, RowsType), self._rows),
        }

    def decode(self, event: BinlogEvent) -> list[Change]:
        """Return what an event means; most often rows, or one end of a transaction.

        Raises:
            SourceError: It can't be decoded; says what to change. Nothing after it can be read.
        """
        if event.type == _ROTATE:
            return self._rotate(event)
        if event.type in (_HEARTBEAT, _HEARTBEAT_V2):
            return self._between(event)
        if event.type == _FORMAT:
            self._created = event.timestamp
        is_inside = self._in_transaction or self._pending_gtid is not None
        if event.is_artificial or (event.end == 0 and not is_inside):
            return []
        self._has_begun = True
        self._advance(event)
        handler = self._handlers.get(event.type)
        try:
            if handler is not None:
                return handler(event)
        except UnreadableTableError as error:
            message = f"binlog '{self._file}' at {self._offset}: {error}; then start with --reload"
            raise SourceError(message) from error
        except (ValueError, IndexError, KeyError, struct.error, zstandard.ZstdError) as error:
            message = (
                f"binlog '{self._file}' at {self._offset}: an event of type {event.type} can't be read ({error!r})"
            )
            raise SourceError(message) from error
        return self._between(event)

    def _advance(self, event: BinlogEvent) -> None:
        """Note where an event ends; in a file above 4 GiB the event itself says only the lower half.

        If it says nothing, the sizes of a transaction's events are added up. What the server leaves out for replicas
        is not among them, so that this is a place inside of the transaction, the same each time and in order.
        """
        if event.end == 0:
            self._offset += event.size_bytes
            return
        offset = self._offset & _HIGH | event.end
        if offset < self._offset - 0x80000000:
            offset += 1 << 32
        self._offset = max(offset, self._offset)

    def _here(self) -> BinlogPosition:
        return BinlogPosition(self._file, self._offset)

    def _time_of(self, event: BinlogEvent) -> int:
        return event.timestamp * 1000 if self._at_ms is None else self._at_ms

    def _rotate(self, event: BinlogEvent) -> list[Change]:
        file = event.body[8:].decode()
        if file != self._file:
            # By ids the server may begin to look in an earlier file than the one in which it finds them.
            if self._has_begun and BinlogPosition(file, FILE_BEGINS).order[0] < self.position.order[0]:
                message = (
                    f"binlog '{self._file}' is followed by '{file}': the server began its binlog from scratch; "
                    "start with --reload"
                )
                raise DataLossError(message)
            self._file, self._offset, self._created = file, int.from_bytes(event.body[:8], "little"), None
        # After a restart of the server the same numbers mean other tables.
        self._layouts.clear()
        return self._between(event)

    def _between(self, event: BinlogEvent) -> list[Change]:
        """Report a place between two transactions, so that a start is never far behind if nothing is selected."""
        if event.type == _HEARTBEAT and not self._in_transaction:
            self._advance(event)
        if self._in_transaction or self._pending_gtid is not None or self._here().order <= self.position.order:
            return []
        return self._committed(event.timestamp * 1000)

    def _committed(self, at_ms: int) -> list[Change]:
        if self._gtids is None:
            self.position = BinlogPosition(self._file, self._offset, created=self._created)
        else:
            self.position = BinlogPosition(self._file, self._offset, str(self._gtids))
        return [Committed(self.position, at_ms)]

    def _commit(self, event: BinlogEvent) -> list[Change]:
        at_ms = self._time_of(event)
        self._note_gtid()
        self._in_transaction, self._at_ms = False, None
        self._touched.clear()
        # What an enclosing payload holds ends where the payload does.
        return self._committed(at_ms)

    def _note_gtid(self) -> None:
        pending, self._pending_gtid = self._pending_gtid, None
        if pending is not None and self._gtids is not None:
            self._gtids.add(*pending)

    def _mariadb_gtid(self, event: BinlogEvent) -> list[Change]:
        begun = beginnings.of_mariadb(event)
        self._pending_gtid = begun.gtid
        self._in_transaction, self._xa.is_open = not begun.is_standalone, begun.is_prepared
        return []

    def _mysql_gtid(self, event: BinlogEvent) -> list[Change]:
        if event.type == _MYSQL_GTID:
            self._pending_gtid = beginnings.mysql_gtid(event.body)
        self._at_ms = beginnings.committed_ms(event.body)
        return []

    def _tagged_gtid(self, _event: BinlogEvent) -> list[Change]:
        # Sets with tags aren't kept; file and offset lead to the same place on this server.
        self._gtids = None
        return []

    def _table_map(self, event: BinlogEvent) -> list[Change]:
        number, described = binlog_rows.table_id(event.body), event.body[6:]
        if described not in self._parsed:
            if len(self._parsed) > 1000:
                self._parsed.clear()
            here, is_mariadb = self._here(), self._is_mariadb
            try:
                self._parsed[described] = self._known.layout(event.body, self._charsets, here, is_mariadb=is_mariadb)
            except OtherDefinitionError as error:
                self._layouts[number] = None
                log.warning("binlog '%s': %s; the table is loaded again", here, error)
                return [Altered(*table_name(event.body), here, self._time_of(event))]
        self._layouts[number] = self._parsed[described]
        return []

    def _rows(self, event: BinlogEvent) -> list[Change]:
        layout = self._layouts[binlog_rows.table_id(event.body)]
        if layout is None:
            return []
        self._touched[layout.table] = None
        if self._xa.is_open:
            return []
        first = self._payload_row or 0
        changes = binlog_rows.rows(event.type, event.body, layout, self._here(), self._time_of(event), first)
        if self._payload_row is not None:
            self._payload_row += len(changes)
        return [*changes]

    def _query(self, event: BinlogEvent, query: Query) -> list[Change]:
        sql, at_ms = query.sql, self._time_of(event)
        if sql == "BEGIN":
            self._in_transaction = True
            return []
        if sql == "COMMIT":
            return self._commit(event)
        verb = sql[:9].upper()
        if verb.startswith("ROLLBACK") and "ALTER" not in sql[:20].upper():
            # Written only if a table without transactions took part: its rows stay, the others' go.
            undone = self._altered(self._touched, at_ms)
            return undone if sql[8:].strip() else [*undone, *self._commit(event)]
        if verb.startswith("XA "):
            return self._xa_query(event, sql)
        found: list[Change] = []
        for effect in statements.effects(sql, query.schema):
            found.extend(self._effect(effect, at_ms))
        return found if self._in_transaction else [*found, *self._commit(event)]

    def _effect(self, effect: statements.TableEffect, at_ms: int) -> Iterable[Change]:
        for schema, name in self._known.tables_of(effect):
            # The same description may be another table's from here on.
            self._parsed.clear()
            self._known.forget(schema, name)
            if effect.is_rows:
                log.warning(
                    "binlog '%s' at %d: rows of '%s.%s' changed by a statement that is logged as such; the table is "
                    "loaded again. binlog_format=ROW of that session avoids this",
                    *(self._file, self._offset, schema, name),
                )
            kind = Truncated if effect.effect == statements.Effect.TRUNCATED else Altered
            yield kind(schema, name, self._here(), at_ms)

    def _altered(self, tables: Iterable[SourceTable], at_ms: int) -> list[Change]:
        return [Altered(table.schema, table.name, self._here(), at_ms) for table in tables]

    def _xa_query(self, event: BinlogEvent, sql: str) -> list[Change]:
        if self._xa.begins(sql):
            self._in_transaction = True
            return []
        if self._xa.is_open:
            return []
        tables = self._xa.end(sql)
        # One that was prepared before we began to read: any table may have been in it.
        altered = self._altered(self._known.tables if tables is None else tables, self._time_of(event))
        return [*altered, *self._commit(event)]

    def _xa_prepare(self, event: BinlogEvent) -> list[Change]:
        touched = self._xa.prepare(event.body, self._touched)
        return [*self._altered(touched, self._time_of(event)), *self._commit(event)]

    def _payload(self, event: BinlogEvent) -> list[Change]:
        """Read a whole transaction that MySQL compressed; all of its events end where it does."""
        found: list[Change] = []
        self._payload_row = 0
        for inner in inner_events(event):
            handler = self._handlers.get(inner.type)
            if handler is not None:
                found.extend(handler(inner))
        self._payload_row = None
        return found

    def _incident(self, _event: BinlogEvent) -> list[Change]:
        message = (
            f"binlog '{self._file}' at {self._offset}: the server notes here that changes are missing from its binlog; "
            "start with --reload"
        )
        raise SourceError(message)

    def _partial_update(self, event: BinlogEvent) -> list[Change]:
        if self._layouts.get(binlog_rows.table_id(event.body)) is None:
            return []
        message = "an update of JSON in parts can't be read: clear binlog_row_value_options"
        raise UnreadableTableError(message)
