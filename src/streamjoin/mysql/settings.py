"""What a replication needs of a server's settings, and the statements that set them on this server."""

from collections.abc import Mapping

from pymysql.constants import ER

from streamjoin.errors import SourceError
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.session import Session, code_of

_WANTED = {
    "binlog_format": ("ROW", "the binlog has statements instead of rows"),
    "binlog_row_image": ("FULL", "the binlog has only some columns of a row"),
}
# Where RDS and Aurora have their programs.
_RDS_FOLDER = "/rdsdbbin"
_NO_PROCEDURE = {ER.SP_DOES_NOT_EXIST, ER.PROCACCESS_DENIED_ERROR, *DENIED_PRIVILEGE}


class Settings:
    """A server's variables, as they are now.

    Args:
        session: The server.

    Attributes:
        variables: By name, in small letters.
        rds_hours: For how many hours RDS or Aurora keeps the binlog, 0 if for none that it promises; None elsewhere,
            and if the user may not see it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.variables: Mapping[str, str] = session.variables()
        self.rds_hours = _rds_hours(session)

    @property
    def has_binlog(self) -> bool:
        """Whether changes are logged at all."""
        return self.variables.get("log_bin", "OFF") in ("ON", "1")

    @property
    def is_rds(self) -> bool:
        """Whether AWS runs the server, as RDS or Aurora: no user may SET GLOBAL there."""
        is_at_home = self.variables.get("basedir", "").startswith(_RDS_FOLDER)
        return is_at_home or "aurora_version" in self.variables or self.rds_hours is not None

    def to_set(self, name: str, value: str) -> str:
        """Return the statement that sets a variable for good, as far as this server knows one."""
        # Of MySQL 8, which keeps it through a restart.
        persists = "persisted_globals_load" in self.variables
        return f"SET {'PERSIST' if persists else 'GLOBAL'} {name} = {value};"

    def problems(self) -> tuple[list[str], list[str]]:
        """Return what is wrong, a line each, and the statements that mend what a statement can."""
        problems: list[str] = []
        statements: list[str] = []
        if not self.has_binlog:
            remedy = "let it make backups" if self.is_rds else "set log_bin and restart it"
            problems.append(f"log_bin is OFF: the server writes no binlog; {remedy}")
        for name, value, problem in self._wrong():
            if self.is_rds:
                problems.append(f"{problem}; set {name} to {value} in the parameter group (of Aurora: of the cluster)")
            else:
                statements.append(self.to_set(name, value))
                lasts = "PERSIST" in statements[-1]
                problems.append(problem if lasts else f"{problem}; set it in my.cnf too, for the next start")
        is_without_binlog = "OFF" in map(self.variables.get, ("log_slave_updates", "log_replica_updates"))
        if is_without_binlog and self._is_replica():
            problems.append(
                "log_slave_updates is OFF: a replica writes only its own changes to its binlog; set it to ON"
            )
        return problems, statements

    def _wrong(self) -> list[tuple[str, str, str]]:
        """Return which variables can be set otherwise while the server runs: name, value, and what is wrong."""
        wrong = [
            (name, wanted, f"{name} is {value}: {consequence}")
            for name, (wanted, consequence) in _WANTED.items()
            if (value := self.variables.get(name)) is not None and value.upper() != wanted
        ]
        if self.variables.get("binlog_row_value_options"):
            wrong.append(("binlog_row_value_options", "''", "binlog_row_value_options is set: JSON is logged in parts"))
        return wrong

    def _is_replica(self) -> bool:
        try:
            return bool(self._session.ask_first("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"))
        except SourceError as error:
            # It needs a privilege that nothing else needs.
            if code_of(error) in DENIED_PRIVILEGE:
                return False
            raise


def _rds_hours(session: Session) -> int | None:
    try:
        found = {text(row[0]): row[1] for row in session.ask("CALL mysql.rds_show_configuration")}
    except SourceError as error:
        if code_of(error) not in _NO_PROCEDURE:
            raise
        return None
    return int(found["binlog retention hours"] or 0) if "binlog retention hours" in found else None
