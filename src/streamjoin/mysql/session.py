"""A connection for questions: rows as tuples of bytes, opened when the first one is asked."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

import pymysql
from pymysql.constants import ER

from streamjoin.errors import SourceError
from streamjoin.mysql.address import MysqlAddress, close, connect, errors_of, text
from streamjoin.mysql.binlog.charsets import Charsets

Rows: TypeAlias = tuple[tuple[Any, ...], ...]

# A statement, a variable or a table that this server hasn't.
_UNKNOWN = {ER.PARSE_ERROR, ER.UNKNOWN_SYSTEM_VARIABLE, ER.UNKNOWN_TABLE, ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR}


class Session:
    """A connection to a server, with what never changes of the server. A context: leaving it closes the connection.

    Args:
        address: The server.
        open_connection: Opens a connection; another one in tests.
    """

    def __init__(
        self,
        address: MysqlAddress,
        open_connection: Callable[[MysqlAddress], "pymysql.Connection[Any]"] = connect,
    ) -> None:
        self.address = address
        self._open = open_connection
        self._connection: pymysql.Connection[Any] | None = None
        self._is_mariadb: bool | None = None
        self._folds_case: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection is not None:
            close(self._connection)
            self._connection = None

    @property
    def connection(self) -> "pymysql.Connection[Any]":
        """The connection, opened if it isn't."""
        if self._connection is None:
            self._connection = self._open(self.address)
        return self._connection

    def ask(self, sql: str) -> Rows:
        """Run a statement and return its rows.

        Raises:
            SourceError: It failed; the connection is closed, and the next question opens another.
        """
        try:
            with errors_of(self.address, f"'{sql[:60]}'"), self.connection.cursor() as cursor:
                cursor.execute(sql)
                return tuple(cursor.fetchall())
        except SourceError as error:
            if error.retryable:
                self.close()
            raise

    def ask_first(self, *choices: str) -> Rows:
        """Run the first of these statements that the server knows."""
        for sql in choices[:-1]:
            try:
                return self.ask(sql)
            except SourceError as error:
                if code_of(error) not in _UNKNOWN:
                    raise
        return self.ask(choices[-1])

    @property
    def is_mariadb(self) -> bool:
        """Whether the server is MariaDB."""
        if self._is_mariadb is None:
            self._is_mariadb = "mariadb" in text(self.ask("SELECT VERSION()")[0][0]).lower()
        return self._is_mariadb

    @property
    def folds_case(self) -> bool:
        """Whether names of databases and tables are one, however they are spelled (`lower_case_table_names` 1 or 2)."""
        if self._folds_case is None:
            self._folds_case = text(self.ask("SELECT @@global.lower_case_table_names")[0][0]) != "0"
        return self._folds_case

    def variables(self) -> Mapping[str, str]:
        """Return the server's variables."""
        return {text(name).lower(): text(value) for name, value in self.ask("SHOW GLOBAL VARIABLES")}

    def charsets(self) -> Charsets:
        """Return decoders of the character sets that the server has."""
        table = "COLLATION_CHARACTER_SET_APPLICABILITY" if self._collations_apply() else "COLLATIONS"
        found = self.ask(f"SELECT ID, CHARACTER_SET_NAME FROM information_schema.{table} WHERE ID IS NOT NULL")  # noqa: S608
        return Charsets({int(number): text(name) for number, name in found if name is not None}, self._characters)

    def _collations_apply(self) -> bool:
        # MariaDB from 10.10 on has collations of several character sets; only this table tells them apart.
        columns = self.ask(
            "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' "
            "AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'ID'"
        )
        return bool(columns)

    def _characters(self, charset: str) -> str | None:
        # On a connection of its own: texts are decoded by another thread than the one that asks here.
        with Session(self.address, self._open) as session:
            return _characters_of(session, charset)


def _characters_of(session: Session, charset: str) -> str | None:
    widths = session.ask(
        f"SELECT MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = '{charset}'"  # noqa: S608
    )
    if not widths or int(widths[0][0]) != 1:
        return None
    letters = ", ".join(f"CONVERT(_{charset} X'{byte:02X}' USING utf8mb4)" for byte in range(256))
    return "".join(bytes(letter or b"\xef\xbf\xbd").decode() for letter in session.ask(f"SELECT {letters}")[0])


def code_of(error: SourceError) -> int:
    """Return the server's number of an error; 0 if it isn't the server's."""
    cause = error.__cause__
    return int(cause.args[0]) if isinstance(cause, pymysql.MySQLError) and cause.args else 0
