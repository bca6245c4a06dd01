"""What a replication needs of its MySQL or MariaDB server, of its target tables and of the control table."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from streamjoin.aws.errors import Remedies, translated
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good, unknown
from streamjoin.doctor.locks import lease
from streamjoin.dynamodb.table import find
from streamjoin.dynamodb.write.tables import ensure_table
from streamjoin.errors import SinkError, SourceError, StreamJoinError
from streamjoin.mysql import MysqlServer
from streamjoin.mysql.retention import retention
from streamjoin.mysql.session import Session
from streamjoin.mysql.settings import Settings
from streamjoin.rendering import counted
from streamjoin.replicate.config import ReplicateConfig, read_table_mappings
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.job import mysql_address

_PROBLEM: Final = "\n  - "
_STATEMENTS: Final = "run as an administrator:"
_CHANGE: Final = "Change the server's settings, the table, or its rule in the table mappings."
_REMEDIES: Final = Remedies(
    missing="",
    denied="Allow dynamodb:DescribeTable on the table to the job's role.",
    throttled="Try again.",
    unreachable="Check the network, the credentials, target.dynamodb.region and AWS_ENDPOINT_URL.",
)


def server(context: Context) -> Iterator[Finding]:
    """Ask the server what a start would ask it: settings, privileges, tables; and how long it keeps its binlog."""
    config = _config(context)
    mappings = read_table_mappings(config)
    address = mysql_address(config.source.mysql)
    what = f"server '{config.source.mysql.host}:{config.source.mysql.port}'"
    with closing(MysqlServer(address)) as found:
        if found.folds_case():
            mappings = mappings.ignoring_case()
        there = found.table_names()
        try:
            found.preflight(mappings.selects, mappings.names, mappings.unseen(there), may_have_none=_is_begun(context))
            selected = [table for table in there if mappings.selects(*table)]
            yield good(
                what,
                f"settings, privileges and {counted(len(selected), 'selected table')} are as replication needs them",
            )
        except SourceError as error:
            yield from _problems(what, error)
        for problem in mappings.unmatched(there):
            yield unknown("table mappings", problem, "Mend or take out the rule, unless the table comes later.")
    with Session(address) as session:
        kept = retention(Settings(session))
    if kept.is_short:
        yield bad(f"{what}, binlog", str(kept), f"Run as an administrator: {kept.remedy}")
    else:
        yield good(f"{what}, binlog", str(kept))


def targets(context: Context) -> Iterator[Finding]:
    """Look whether the target tables are there, with the keys that items will have, and the control table."""
    config = _config(context)
    target = config.target.dynamodb
    client = context.client("dynamodb", target.region, target.role_arn)
    yield from _table(client, "control table", target.control_table, None, create=target.create_tables)
    mappings = read_table_mappings(config)
    try:
        with closing(MysqlServer(mysql_address(config.source.mysql))) as found:
            if found.folds_case():
                mappings = mappings.ignoring_case()
            there = found.tables(mappings.selects)
    except SourceError:
        yield unknown("targets", "the server can't be asked for its tables", "See the check of the server.")
        return
    mapped = mappings.for_tables(there, none_will_do=True)
    for name, problems in mapped.left_out.items():
        yield unknown(f"table '{name}'", f"left out: {'; '.join(problems)}", "Name it in a rule, or exclude it.")
    for mapping in mapped.mappings:
        yield from _table(client, "target", mapping.target_table, dict(mapping.key_types), create=target.create_tables)


def control(context: Context) -> Iterator[Finding]:
    """Look who has the job's lease in the control table."""
    _, view = _control(context).view()
    yield lease(context, view)


def _config(context: Context) -> ReplicateConfig:
    assert isinstance(context.config, ReplicateConfig)  # noqa: S101  (these are its checks)
    return context.config


def _control(context: Context) -> ControlTable:
    config = _config(context)
    target = config.target.dynamodb
    client = context.client("dynamodb", target.region, target.role_arn)
    return ControlTable.of(config.name, target.control_table, client)


def _is_begun(context: Context) -> bool:
    try:
        state, _ = _control(context).view()
    except StreamJoinError:
        # Another check says so.
        return False
    return state is not None


def _problems(what: str, error: SourceError) -> Iterator[Finding]:
    """Yield a line for each problem that the preflight lists, with the statements that mend them."""
    _, *problems = str(error).split(_PROBLEM)
    if not problems:
        yield Finding.of_error(what, error)
        return
    remedy = _CHANGE
    if problems[-1].startswith(_STATEMENTS):
        statements = problems.pop().removeprefix(_STATEMENTS).split("\n")
        remedy = f"Run as an administrator: {' '.join(each.strip() for each in statements if each.strip())}"
    for problem in problems:
        yield bad(what, problem, remedy)


def _table(client: Any, kind: str, name: str, key_types: dict[str, str] | None, *, create: bool) -> Iterator[Finding]:
    what = f"{kind} '{name}'"
    try:
        found = find(client, name, lambda call: translated(SinkError, f"{what}: {call}", _REMEDIES))
        if found is None:
            making = "Create it, or set target.dynamodb.create_tables: true."
            yield (
                good(what, "not there yet: the job makes it") if create else bad(what, "there is no such table", making)
            )
        elif key_types is None:
            yield good(what, found.status)
        else:
            # Makes nothing, and waits for nothing: by the second look its time is over.
            ensure_table(client, name, key_types, create=False, clock=itertools.count(0.0, 1e6).__next__)
            yield good(what, f"{found.status}, key {', '.join(key_types)}")
    except FAILURES as error:
        yield Finding.of_error(what, error)
