"""Where a MySQL or MariaDB server is, how to talk to it, and what its refusals mean."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.constants import CR, ER

from streamjoin.errors import SourceError

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 300

# Names in Python's own form: identifiers come as text, values as the bytes that the server stores. Texts of a column
# stay in the column's character set (results aren't converted), temporal values are those of UTC, and nothing of the
# session changes how a value is printed.
_AS_STORED = "time_zone = '+00:00', sql_mode = '', character_set_results = NULL"
# What the server may have for people and web pages: a load reads whole tables, and is idle while it writes them. The
# comments are for MySQL from 5.7.8 on and for MariaDB alone.
_UNBOUNDED = (
    "autocommit = 1, completion_type = 0, lc_messages = 'en_US', sql_select_limit = 18446744073709551615, "
    "sql_big_selects = 1, wait_timeout = 28800, net_write_timeout = 28800"
    "/*!50708 , max_execution_time = 0 *//*M!100101 , max_statement_time = 0 */"
)
SESSION = f"SET SESSION {_AS_STORED}, {_UNBOUNDED}"

_LATER = {
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_CONNECTION_ERROR,
    ER.SERVER_SHUTDOWN,
    ER.CON_COUNT_ERROR,
    ER.TOO_MANY_USER_CONNECTIONS,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.QUERY_INTERRUPTED,
    # The table's definition is another one than a moment ago, or it is gone, or its database.
    ER.BAD_DB_ERROR,
    ER.BAD_FIELD_ERROR,
    ER.NO_SUCH_TABLE,
    ER.TABLE_DEF_CHANGED,
    4031,  # ER_CLIENT_INTERACTION_TIMEOUT of MySQL 8: nothing was asked for hours
    1927,  # ER_CONNECTION_KILLED of MariaDB, which the client library doesn't name
}
_WANTS_TLS = {3159}  # ER_SECURE_TRANSPORT_REQUIRED: require_secure_transport is on
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_OTHER_NAME = {62, 64}
_DENIED = {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, 1698}

DENIED_PRIVILEGE = {
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
    ER.DBACCESS_DENIED_ERROR,
}
"""Codes with which a server says that the user lacks a privilege."""


@dataclass(frozen=True)
class MysqlAddress:
    """A server and a user of it.

    Args:
        host: Name or address.
        port: TCP port.
        user: Has SELECT on the tables, REPLICATION SLAVE and REPLICATION CLIENT.
        password: In no message and no repr.
        tls: False: none. True: required, checked against the machine's own certificates. Text: required, checked
            against the certificates in this file.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: bool | str = False

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


def connect(address: MysqlAddress, *, read_timeout_seconds: float = READ_TIMEOUT_SECONDS) -> "pymysql.Connection[Any]":
    """Open a connection whose results are bytes; see `SESSION`.

    Raises:
        SourceError: No connection; retryable if that may pass.
    """
    with errors_of(address, "connecting"):
        connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=read_timeout_seconds,
            write_timeout=read_timeout_seconds,
            use_unicode=False,
            # No converters: values come as the server's own text.
            conv={},
            program_name="streamjoin",
            max_allowed_packet=1 << 30,
            **_tls(address),
        )
    try:
        with errors_of(address, "setting up the session"), connection.cursor() as cursor:
            cursor.execute(SESSION)
    except BaseException:
        close(connection)
        raise
    return connection


def close(connection: "pymysql.Connection[Any]") -> None:
    """Close a connection, whatever state it is in."""
    try:
        connection.close()
    except (pymysql.MySQLError, OSError):
        # It was closed by the other side.
        return


def _tls(address: MysqlAddress) -> dict[str, Any]:
    if address.tls is False:
        return {"ssl_disabled": True}
    ca_file = address.tls if isinstance(address.tls, str) else None
    try:
        return {"ssl": ssl.create_default_context(cafile=ca_file)}
    except OSError as error:
        message = (
            f"source '{address}': the certificates in '{ca_file}' can't be read ({error}); give "
            "source.mysql.tls.ca_file a file of them in PEM"
        )
        raise SourceError(message) from error


@contextmanager
def errors_of(address: MysqlAddress, action: str) -> Iterator[None]:
    """Turn the client library's errors into `SourceError`s that say what was being done.

    Args:
        address: The server.
        action: As in "source '...': ACTION failed".
    """
    try:
        yield
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        said = error.args[1] if len(error.args) > 1 else str(error)
        message = f"source '{address}': {action} failed with {code}: {said}{_remedy(address, error, code)}"
        # What the library raises on a connection that it has closed itself.
        is_closed = isinstance(error, pymysql.InterfaceError)
        retryable = (code in _LATER or is_closed) and _tls_error(error) is None
        raise SourceError(message, retryable=retryable) from error
    except OSError as error:
        message = f"source '{address}': {action} failed: {error}"
        raise SourceError(message, retryable=True) from error
    except RuntimeError as error:
        # What pymysql raises if a password can't be sent without the package 'cryptography'.
        message = f"source '{address}': {action} failed: {error}"
        raise SourceError(message) from error


def _tls_error(error: pymysql.MySQLError) -> ssl.SSLError | None:
    """Return why the two sides can't agree on TLS, for good; None if that isn't the reason."""
    cause = getattr(error, "original_exception", None)
    return cause if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError) else None


def _tls_remedy(address: MysqlAddress, error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            "; source.mysql.tls wants TLS 1.2 or later, with a cipher that this machine takes, and the server speaks "
            "none: let it speak that (tls_version), or set source.mysql.tls to false"
        )
    if getattr(error, "verify_code", None) in _OTHER_NAME:
        return (
            f"; source.mysql.tls wants a certificate for '{address.host}', and the server's is for another name: "
            "give source.mysql.host a name that is in it"
        )
    wanted = f"of those in '{address.tls}'" if isinstance(address.tls, str) else "that this machine trusts"
    return (
        f"; source.mysql.tls wants a certificate of an authority {wanted}, and the server's is of another one, or "
        "out of date: give the file of the server's authority as source.mysql.tls.ca_file"
    )


def _remedy(address: MysqlAddress, error: pymysql.MySQLError, code: int) -> str:
    tls_error = _tls_error(error)
    if tls_error is not None:
        return _tls_remedy(address, tls_error)
    if code == CR.CR_SSL_CONNECTION_ERROR:
        return (
            "; source.mysql.tls wants TLS, and the server has none: give it a certificate (ssl_cert, ssl_key), or set "
            "source.mysql.tls to false"
        )
    if code == CR.CR_CONN_HOST_ERROR:
        return "; check source.mysql.host and port, and that the server runs and lets this machine in"
    if code in _WANTS_TLS:
        return "; set source.mysql.tls to true, or to the file of the server's authority: {ca_file: PATH}"
    if code not in _DENIED:
        return ""
    # A user that must come with TLS (REQUIRE SSL) is refused in the same words.
    return "; check source.mysql.user and its password" + ("" if address.tls else ", and whether it must come with TLS")


def text(value: Any) -> str:
    """Return a value of a result as text: names and variables are UTF-8."""
    return value.decode() if isinstance(value, bytes) else str(value)
