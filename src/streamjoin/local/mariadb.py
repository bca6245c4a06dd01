"""A real MariaDB server, or MySQL, on this machine's loopback, for demos and tests."""

import logging
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pymysql

from streamjoin.errors import LocalStackError
from streamjoin.local import mariadb_program, tether
from streamjoin.local.mariadb_program import MariaDbProgram
from streamjoin.local.processes import LOG_TAIL_BYTES, stop_process, tail
from streamjoin.local.stack import HOST, free_port, require_free_port

log = logging.getLogger(__name__)

READY_TIMEOUT_SECONDS = 60.0
USER = "streamjoin"

# What a replication needs of a server (the first five), and what keeps a throw-away one small and quick to start.
_OPTIONS = (
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    # MySQL 5.7 has none.
    "--loose-binlog-row-metadata=FULL",
    "--server-id=1",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--loose-innodb-log-file-size=32M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-fast-shutdown=1",
    "--loose-performance-schema=OFF",
    # MySQL 8 listens on another port otherwise, and not on loopback alone.
    "--loose-mysqlx=OFF",
    # MariaDB 11.4 makes itself a key at each start otherwise, which takes a core for up to a minute.
    "--loose-skip-ssl",
)
_BOOTSTRAP = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")


class MariaDb:
    """A MariaDB or MySQL server for the length of a `with` block; it ends with this process, also when that is killed.

    Its data is in a temporary directory and gone afterwards. It listens on the loopback interface only; the binlog is
    on, in row format with full images and metadata.

    Args:
        options: Further options of the server, such as `--max-binlog-size=4096`.
        program: Which server. Default: the machine's own, else a fetched one.

    Attributes:
        host: The loopback address.
        port: A free port, chosen at the first start.
        user: Has all privileges.
        password: Made at random for this server.
    """

    def __init__(self, options: Sequence[str] = (), program: MariaDbProgram | None = None) -> None:
        self._options, self._program = tuple(options), program
        self._process: tether.Process | None = None
        self._folder: Path | None = None
        self.host, self.port = HOST, 0
        self.user, self.password = USER, secrets.token_hex(16)

    def __enter__(self) -> Self:
        self._program = self._program or mariadb_program.find()
        self._folder = Path(tempfile.mkdtemp(prefix="streamjoin-mariadb-"))
        try:
            self._make_data()
            self.port = free_port()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that holds the server."""
        if self._process is None:
            message = "MariaDB isn't running: use MariaDb in a with block"
            raise LocalStackError(message)
        return self._process.pid

    @property
    def system(self) -> str:
        """Which of the two it is, for people to read: MariaDB or MySQL."""
        ((version,),) = self.execute("SELECT VERSION()")
        return "MariaDB" if "mariadb" in str(version).lower() else "MySQL"

    def execute(self, sql: str, arguments: Sequence[Any] | None = None, database: str | None = None) -> list[Any]:
        """Run a statement on a connection of its own, commit, and return its rows."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            rows = list(cursor.fetchall())
            connection.commit()
        return rows

    def connect(self, database: str | None = None) -> "pymysql.Connection[Any]":
        """Return a new connection as the user with all privileges."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            connect_timeout=10,
        )

    def start(self) -> None:
        """Start the server on the data it has, on the port it had."""
        require_free_port(self.port)
        folder = self._require_folder()
        with (folder / "server.log").open("w+b") as output:
            command = [str(folder), *self._command(), *self._server_options()]
            self._process = tether.start("streamjoin.local.program", *command, output=output, environ=self._environ())
            try:
                self._wait_until_ready(output)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the server; its data stays for another `start`."""
        if self._process is not None:
            stop_process(self._process)
            self._process = None

    def close(self) -> None:
        """End the server and remove its data."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _require_folder(self) -> Path:
        if self._folder is None:
            message = "MariaDB has no data: use MariaDb in a with block"
            raise LocalStackError(message)
        return self._folder

    def _command(self) -> list[str]:
        program, data = self._program, self._require_folder() / "data"
        if program is None:
            message = "MariaDB has no program: use MariaDb in a with block"
            raise LocalStackError(message)
        base = [f"--basedir={program.base}"] if program.base else []
        # A server refuses to run as root unless told so by name; it is never given another user's files.
        user = [f"--user={pwd.getpwuid(os.getuid()).pw_name}"] if os.getuid() == 0 else []
        return [str(program.server), "--no-defaults", f"--datadir={data}", *base, *user]

    def _environ(self) -> dict[str, str]:
        libraries = self._program.libraries if self._program is not None else None
        # A server that starts deletes the temporary tables in its folder for such, those of others too.
        own = {"TMPDIR": str(self._require_folder() / "tmp")}
        return {**os.environ, **own, **({} if libraries is None else {"LD_LIBRARY_PATH": str(libraries)})}

    def _server_options(self) -> list[str]:
        folder = self._require_folder()
        init = folder / "users.sql"
        # A file of the server's own, readable by its user alone, so that the password is on no command line.
        init.touch(mode=0o600)
        init.write_text(
            "SET SESSION sql_log_bin = 0;\n"
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )
        socket = folder / "s"
        listening = (f"--bind-address={HOST}", f"--port={self.port}", f"--socket={socket}", f"--init-file={init}")
        return [*_OPTIONS, *listening, *self._options]

    def _make_data(self) -> None:
        for name in ("data", "tmp"):
            (self._require_folder() / name).mkdir()
        share = self._program.base / "share" if self._program is not None and self._program.base is not None else None
        # MySQL's own folder has none of these scripts: its server makes the tables itself.
        if share is not None and (share / _BOOTSTRAP[0]).exists():
            script = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n"
            script += "\n".join((share / name).read_text() for name in _BOOTSTRAP)
            self._run([*self._command(), "--bootstrap", "--skip-log-bin", "--innodb-log-file-size=32M"], script)
            return
        command = self._command()
        installer = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
        if installer is not None and "mariadb" in Path(command[0]).name:
            options = [
                *command[1:],
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
            self._run([installer, *options])
        else:
            self._run([*command, "--initialize-insecure"])

    def _run(self, command: Sequence[str], script: str = "") -> None:
        ended = subprocess.run(  # noqa: S603  (a server that we found ourselves)
            command,
            input=script.encode(),
            env=self._environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if ended.returncode != 0:
            said = ended.stdout.decode(errors="replace").strip()[-LOG_TAIL_BYTES:]
            message = f"'{command[0]}' could not make its system tables (exit code {ended.returncode}): {said}"
            raise LocalStackError(message)

    def _wait_until_ready(self, output: IO[bytes]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            code = None if self._process is None else self._process.poll()
            try:
                self.execute("SELECT 1")
            except pymysql.MySQLError as error:
                if code is not None or time.monotonic() > deadline:
                    state = f"ended with exit code {code}" if code is not None else "gave no answer"
                    message = f"MariaDB {state} at '{self.host}:{self.port}' ({error}): {tail(output)}"
                    raise LocalStackError(message) from error
            else:
                return
            time.sleep(0.1)
