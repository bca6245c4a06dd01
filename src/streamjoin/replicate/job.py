"""The parts of a replication job, made from its configuration."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.write.items import ItemWriter
from streamjoin.errors import SourceError
from streamjoin.history.figures import BatchFigures
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.metrics.metric import Measure
from streamjoin.mysql import BinlogPosition, MysqlAddress, MysqlServer
from streamjoin.replicate.config import MySqlSettings, ReplicateConfig, TlsSettings, read_table_mappings
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.figures import FiguresByMinute
from streamjoin.replicate.letters import LetterFolder
from streamjoin.replicate.owners import Owners
from streamjoin.replicate.routes import Routes
from streamjoin.replicate.targets import Targets
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.figure_measures import measures_of
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

_GENERATION: Final = 10**30
_FILE: Final = 10**20
_OFFSET: Final = 10**7


@dataclass
class ReplicateJob:
    """The parts of one job, and how far it has come.

    Args:
        name: The job's name.
        server: Where rows come from.
        routes: How the rows of each table become items, and of which table.
        writer: What writes items.
        targets: Whose items the target tables have.
        control: Where the position is kept, and the right to write.
        letters: Where rows go that can't be items; None: the first one stops the job.
        limits: Bounds of a batch, and of a chunk of a full load.
        interval_seconds: From the start of one batch to that of the next, once caught up.
        now_ms: The time, as changes have it.
        loaded: Tables that this process has loaded -> the binlog's end noted before their first row was read.
        figures: Where what each batch was in numbers is kept; None: nowhere.
        meanwhile: What happened since the newest batch, by names of metrics, for the next one to tell.

    Attributes:
        state: What the control table has; there once the job has begun.
    """

    name: str
    server: MysqlServer
    routes: Routes
    writer: ItemWriter
    targets: Targets
    control: ControlTable
    letters: LetterFolder | None
    limits: BatchLimits
    interval_seconds: float
    now_ms: Callable[[], float] = lambda: time.time() * 1000
    loaded: dict[str, BinlogPosition] = field(default_factory=dict)
    figures: FiguresByMinute | None = None
    meanwhile: Counter[str] = field(default_factory=Counter)
    state: ControlState = field(init=False)

    def save(self, state: ControlState) -> None:
        """Write `state` to the control table."""
        state = replace(state, marked=self.targets.marked, yielding=frozenset(self.routes.yielding))
        self.control.save(state)
        self.state = state

    def told(self, figures: BatchFigures) -> tuple[Measure, ...]:
        """Return what a batch tells machines, and keep what it was."""
        whole = replace(figures, meanwhile=dict(self.meanwhile))
        self.meanwhile.clear()
        if self.figures is not None:
            self.figures.add(whole)
        return tuple(measures_of(whole))


def version_of(generation: int, position: BinlogPosition, row: int = 0) -> int:
    """Return how new an item is that was made at `position`: a number that grows with the binlog.

    Args:
        generation: Counts full loads: a later one is newer than all before, wherever its binlog begins.
        position: End of the row's event; of a loaded row the binlog's end noted before it was read.
        row: Index in the event.
    """
    file_number, offset = position.order
    return generation * _GENERATION + file_number * _FILE + offset * _OFFSET + row


def generation_of(version: int) -> int:
    """Return the generation of a version."""
    return version // _GENERATION


def assemble(config: ReplicateConfig) -> ReplicateJob:
    """Return the job of `config`, once the server has been found fit and the control table is there.

    Raises:
        ConfigError: The table mappings are wrong, or what is set for the AWS SDK.
        SourceError: The server can't be reached, or doesn't have what replication needs; all of it is listed.
        SinkError: The control table is missing, or can't be made.
    """
    target = config.target.dynamodb
    mappings = read_table_mappings(config)
    client = aws_client("dynamodb", target.region, target.role_arn)
    server = MysqlServer(mysql_address(config.source.mysql))
    if server.folds_case():
        mappings = mappings.ignoring_case()
    there = server.table_names()
    for problem in mappings.unmatched(there):
        log.warning("%s: %s", config.table_mappings, problem)
    control = ControlTable.of(config.name, target.control_table, client)
    state, _ = control.look()
    # What was replicated before may have been dropped since, which the binlog tells.
    server.preflight(mappings.selects, mappings.names, mappings.unseen(there), may_have_none=state is not None)
    control.ensure(create=target.create_tables)
    writer = ItemWriter(client, check=control.check)
    owners = Owners(client, target.control_table, config.name)
    targets = Targets(client, owners, config.name, writer, create=target.create_tables)
    return ReplicateJob(
        name=config.name,
        server=server,
        routes=Routes(mappings, targets.prepare, targets.has_written, server.has_table),
        writer=writer,
        targets=targets,
        control=control,
        letters=LetterFolder(config.dead_letters.base_path) if config.dead_letters else None,
        limits=BatchLimits.of(config.limits),
        interval_seconds=config.trigger.interval_seconds,
        figures=FiguresByMinute(client, target.control_table, config.name),
    )


def assembled(config: ReplicateConfig, stop: StopRequest) -> ReplicateJob:
    """Return `assemble(config)`, tried again with pauses while the server or DynamoDB is away.

    Raises:
        StreamJoinError: As `assemble`, if that doesn't pass, or did not pass in time.
    """
    found: list[ReplicateJob] = []
    with_attempts(lambda: found.append(assemble(config)), stop, lambda: len(found))
    return found[0]


@contextmanager
def released(job: ReplicateJob) -> Iterator[None]:
    """Give the lease back and close the connection when the block ends, however it does."""
    try:
        yield
    finally:
        if job.figures is not None:
            job.figures.write()
        job.control.release()
        job.server.close()


def mysql_address(settings: MySqlSettings) -> MysqlAddress:
    """Return the address of the server, with the user that asks it.

    Raises:
        SourceError: The password's secret can't be read.
    """
    if settings.password is not None:
        password = settings.password.get_secret_value()
    else:
        password = password_of(aws_client("secretsmanager"), settings.password_secret or "")
    return MysqlAddress(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=password,
        tls=settings.tls.ca_file if isinstance(settings.tls, TlsSettings) else settings.tls,
    )


def password_of(client: Any, secret: str) -> str:
    """Return the password that a secret of Secrets Manager holds: the key `password` of JSON, or the plain text.

    Raises:
        SourceError: The secret can't be read, or has no password in it.
    """
    remedies = Remedies(
        missing="Give source.mysql.password_secret the name or ARN of a secret in this region.",
        denied="Allow secretsmanager:GetSecretValue on the secret to the job's role.",
        throttled="Start the job again.",
        unreachable="Check the network, the credentials and the region.",
    )
    with translated(SourceError, f"secret '{secret}': GetSecretValue", remedies):
        text = client.get_secret_value(SecretId=secret).get("SecretString") or ""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    password = values.get("password") if isinstance(values, dict) else text
    if not isinstance(password, str) or not password:
        message = f"secret '{secret}': expected JSON with the key 'password', or plain text; found neither (hidden)"
        raise SourceError(message)
    return password
