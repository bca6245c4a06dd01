"""DynamoDB tables and a control table in memory, and all that outlives a process of a replication job."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from streamjoin.dms import MappedTables, SourceTable
from streamjoin.dms.rejected import RowRejected, RowRejectReason
from streamjoin.dynamodb.write.items import JOB_ATTRIBUTE, Delete, Put, WriteCounts
from streamjoin.dynamodb.write.tables import UnfitTableError
from streamjoin.errors import ConfigError, SinkError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.job import ReplicateJob
from streamjoin.replicate.letters import RejectedRow
from streamjoin.replicate.pipeline import replicate
from streamjoin.replicate.routes import Routes
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.services.replication_server import SCHEMA, Crash, Server, nothing


@dataclass
class Mapping:
    """Rows to items: the key is `<prefix>-<id>`; a row whose value is empty can't be an item."""

    source: SourceTable
    target_table: str
    prefix: str
    key_types = {"key": "S"}  # noqa: RUF012
    one_item_a_row = True
    is_keyless = False
    condition = None

    def key(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"key": {"S": f"{self.prefix}-{row['id']}"}}

    def item(self, row: dict[str, Any]) -> dict[str, Any]:
        if not row["v"]:
            raise RowRejected(RowRejectReason.EMPTY_KEY, "attribute 'v'")
        return {**self.key(row), **{name: {"S": str(value)} for name, value in row.items() if name != "id"}}


@dataclass
class Mappings:
    """Selects the tables that it has a target for."""

    targets: dict[str, str]
    orders: dict[str, int] = field(default_factory=dict)
    # Tables whose key only their definition tells.
    ruleless: frozenset[str] = frozenset()
    ignore_case = False

    def selects(self, schema: str, table: str) -> bool:
        return schema == SCHEMA and table in self.targets

    @property
    def object_mappings(self) -> list[Any]:
        """Return rules as far as they say which table they are for."""
        names = (SimpleNamespace(text=name) for name in self.targets if name not in self.ruleless)
        return [SimpleNamespace(locator=SimpleNamespace(schema=SimpleNamespace(text=SCHEMA), table=n)) for n in names]

    def load_order(self, schema: str, table: str) -> int:
        return self.orders.get(table, 0)

    def for_table(self, table: SourceTable, *, missing_as_null: bool = False) -> Mapping:
        if not table.columns and table.name in self.ruleless:
            raise ConfigError([f"table '{table}': no primary key"])
        return Mapping(table, self.targets[table.name], table.name)

    def target_name(self, table: SourceTable) -> str:
        return self.targets[table.name]

    def for_tables(self, tables: Iterable[SourceTable], *, none_will_do: bool, yielding: set[str]) -> MappedTables:
        return MappedTables(tuple(self.for_table(table) for table in tables), {})  # type: ignore[misc]

    def names(self, schema: str, table: str) -> bool:
        return True


class SharingRoutes(Routes):
    """Routes of several tables into one target, which no file's rules make."""

    def _yield_target(self, mapping: Any) -> None:
        """Let all of them have it."""


class Items:
    """DynamoDB tables. Whatever is written, nothing newer is ever replaced."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, tuple[dict[str, Any], int]]] = {}
        self.owners: dict[str, str] = {}
        self.meanwhile: Callable[[str], None] = nothing
        self.conditional_writes = self.plain_writes = 0

    def write(self, changes: Sequence[Put | Delete], *, conditional: bool) -> WriteCounts:
        newest: dict[tuple[str, str], Put | Delete] = {}
        for change in changes:
            place = (change.table, _key_text(change))
            if place not in newest or change.version >= newest[place].version:
                newest[place] = change
        counts = WriteCounts(superseded=len(changes) - len(newest))
        for (table, key), change in newest.items():
            self.meanwhile("item")
            items = self.tables[table]
            found = items[key][1] if key in items else -1
            if conditional:
                self.conditional_writes += 1
                if found >= change.version:
                    counts += WriteCounts(superseded=1)
                    continue
            else:
                self.plain_writes += 1
                assert found <= change.version, f"{change} would replace version {found}"
            if isinstance(change, Put):
                items[key] = (dict(change.item), change.version)
            else:
                items.pop(key, None)
            counts += WriteCounts.of([change])
        return counts

    def delete_older(self, table: str, version: int, mark: str | None) -> int:
        older = [key for key, (item, found) in self.tables[table].items() if found < version and job_of(item) == mark]
        for key in older:
            self.meanwhile("delete")
            del self.tables[table][key]
        return len(older)

    def content(self) -> dict[str, dict[str, dict[str, Any]]]:
        return {
            name: {key: {n: v for n, v in item.items() if n != JOB_ATTRIBUTE} for key, (item, _) in items.items()}
            for name, items in self.tables.items()
        }


def job_of(item: dict[str, Any]) -> str | None:
    return item.get(JOB_ATTRIBUTE, {}).get("S")


@dataclass
class Owners:
    """Targets of one job: the first that asks owns a table."""

    job: str
    owners: dict[str, str]
    is_new = True
    marked = frozenset[str]()

    def mark(self, table: str) -> str | None:
        if self.owners.setdefault(table, self.job) == self.job:
            return None
        self.marked |= {table}
        return self.job

    def has_written(self, table: str) -> bool:
        return table in self.marked or self.owners.get(table) == self.job


class Control:
    """One job's item of the control table, as it is stored."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.saved: list[ControlState] = []
        self.is_lost = self.is_renewed = False

    def acquire(self) -> ControlState | None:
        return ControlState.from_item(self.stored)

    def save(self, state: ControlState) -> None:
        self.check()
        self.stored = state.to_item()
        self.saved.append(state)

    def check(self) -> None:
        if self.is_lost:
            raise SinkError("the lease is another's")

    @contextmanager
    def renewing(self) -> Iterator[None]:
        self.is_renewed = True
        yield
        self.is_renewed = False

    def release(self) -> None:
        pass


@dataclass
class Letters:
    """Dead letters by name."""

    written: dict[str, RejectedRow] = field(default_factory=dict)

    def write(self, rejected: Sequence[RejectedRow]) -> None:
        self.written.update({f"{row.table}/{row.name}": row for row in rejected})


@dataclass
class World:
    """Everything that outlives a process."""

    server: Server
    targets: dict[str, str]
    items: Items = field(default_factory=Items)
    control: Control = field(default_factory=Control)
    letters: Letters | None = field(default_factory=Letters)
    records: int = 3
    ruleless: frozenset[str] = frozenset()
    orders: dict[str, int] = field(default_factory=dict)
    now_ms: float = 3_000.0
    # Rules of a real file, in place of targets.
    mappings: Any = None
    name: str = "job"
    # Targets that are there with another key.
    unfit: set[str] = field(default_factory=set)

    def job(self) -> ReplicateJob:
        """Return the job as a new process has it."""

        targets = Owners(self.name, self.items.owners)

        def prepare(mapping: Any) -> None:
            if mapping.target_table in self.unfit:
                raise UnfitTableError(f"table '{mapping.target_table}': expected another key")
            self.items.tables.setdefault(mapping.target_table, {})
            targets.mark(mapping.target_table)

        return ReplicateJob(
            name=self.name,
            server=self.server,  # type: ignore[arg-type]
            routes=(Routes if self.mappings else SharingRoutes)(
                self.mappings or Mappings(self.targets, self.orders, self.ruleless),
                *(prepare, targets.has_written, self.server.is_there),
            ),
            writer=self.items,  # type: ignore[arg-type]
            targets=targets,  # type: ignore[arg-type]
            control=self.control,  # type: ignore[arg-type]
            letters=self.letters,  # type: ignore[arg-type]
            limits=BatchLimits(self.records, 10_000),
            interval_seconds=0.0,
            now_ms=lambda: self.now_ms,
        )

    def expected(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return what a full load of the server's rows gives."""
        found: dict[str, dict[str, dict[str, Any]]] = {target: {} for target in self.items.tables}
        for name, rows in self.server.rows.items():
            if name not in self.targets:
                continue
            mapping = Mapping(self.server.definitions[name], self.targets[name], name)
            for row in rows.values():
                if row["v"]:
                    found[mapping.target_table][mapping.key(row)["key"]["S"]] = mapping.item(row)
        return found


def _key_text(change: Put | Delete) -> str:
    (value,) = change.key.values()
    return str(next(iter(value.values())))


class Pauses(StopRequest):
    """Notes how long each pause would be."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        if seconds > 0:
            self.seconds.append(seconds)


def caught_up(world: World, **options: Any) -> None:
    """Run the job to the binlog's end; the items are then those of the rows."""
    replicate(world.job(), StopRequest(), Until(caught_up=True), **options)
    assert world.items.content() == world.expected()


def dying_at(step: str, time: int = 1) -> Callable[[str], None]:
    """Return a hook that lets the process die when the step is done for the n-th time."""
    left = time

    def at(done: str) -> None:
        nonlocal left
        left -= done == step
        if done == step and left == 0:
            raise Crash

    return at


def fill(server: Server, name: str, *rows: int, value: str = "x") -> None:
    for row in rows:
        server.insert_or_update(name, row, value)
