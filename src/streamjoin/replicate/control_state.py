"""How far a replication has come, as its item in the control table says it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from streamjoin.dms.source_table import Value
from streamjoin.dynamodb.service import Item
from streamjoin.mysql.changes import BinlogPosition


@dataclass(frozen=True)
class LoadProgress:
    """How far one table's full load has come.

    Args:
        after_key: Primary key of the last row whose item was written; None before the first, and if there is no key.
        is_done: Whether all rows were written.
        rows: How many were.
    """

    after_key: tuple[Value, ...] | None = None
    is_done: bool = False
    rows: int = 0

    def to_json_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        key = None if self.after_key is None else [_to_json(value) for value in self.after_key]
        return {"after_key": key, "is_done": self.is_done, "rows": self.rows}

    @classmethod
    def from_json_values(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json_values` gave."""
        key = values["after_key"]
        after_key = None if key is None else tuple(_from_json(value) for value in key)
        return cls(after_key, bool(values["is_done"]), int(values["rows"]))


@dataclass(frozen=True)
class ControlState:
    """Where a replication goes on.

    Args:
        position: Everything before it is in the items. While tables are loaded, the place noted before the load.
        generation: Of the items' versions: grows with each load from the start, and with another server.
        server: Which server the position belongs to.
        loading: For each table of a full load, named `schema.table`, how far it has come; None when it is over.
        marked: The target tables in which the job's items have its name.
        yielding: The tables, named `schema.table`, that came when another one had their target.
    """

    position: BinlogPosition
    generation: int
    server: str
    loading: Mapping[str, LoadProgress] | None = None
    marked: frozenset[str] = frozenset()
    yielding: frozenset[str] = frozenset()

    @property
    def phase(self) -> str:
        """What the job does from here."""
        return "following" if self.loading is None else "loading"

    def to_json_values(self) -> dict[str, Any]:
        """Return the state as JSON values for people; keys of rows are not in it."""
        loading = {name: {"rows": each.rows, "is_done": each.is_done} for name, each in (self.loading or {}).items()}
        return {
            "phase": self.phase,
            "position": self.position.to_dict(),
            "generation": self.generation,
            "server": self.server,
            **({"loading": loading} if self.loading is not None else {}),
            **({"marked": sorted(self.marked)} if self.marked else {}),
        }

    def to_item(self) -> dict[str, dict[str, str]]:
        """Return the state's attributes."""
        item = {
            "position": {"S": json.dumps(self.position.to_dict())},
            "generation": {"N": str(self.generation)},
            "server": {"S": self.server},
            "phase": {"S": self.phase},
        }
        if self.loading is not None:
            loading = {table: progress.to_json_values() for table, progress in self.loading.items()}
            item["loading"] = {"S": json.dumps(loading)}
        if self.marked:
            item["marked"] = {"S": json.dumps(sorted(self.marked))}
        if self.yielding:
            item["yielding"] = {"S": json.dumps(sorted(self.yielding))}
        return item

    @classmethod
    def from_item(cls, item: Item) -> Self | None:
        """Read what `to_item` gave; None if the item has no state.

        Raises:
            ValueError, KeyError, TypeError: Another program wrote it.
        """
        if "position" not in item:
            return None
        loading = None
        if "loading" in item:
            tables = json.loads(item["loading"]["S"])
            loading = {table: LoadProgress.from_json_values(values) for table, values in tables.items()}
        return cls(
            position=BinlogPosition.from_dict(json.loads(item["position"]["S"])),
            generation=int(item["generation"]["N"]),
            server=item["server"]["S"],
            loading=loading,
            marked=frozenset(json.loads(item["marked"]["S"])) if "marked" in item else frozenset(),
            yielding=frozenset(json.loads(item["yielding"]["S"])) if "yielding" in item else frozenset(),
        )


def _to_json(value: Value) -> list[str | None]:
    """Return a column's value with its type, since JSON knows fewer."""
    if isinstance(value, bytes):
        return ["bytes", b64encode(value).decode()]
    return [type(value).__name__, None if value is None else str(value)]


def _from_json(tagged: Sequence[Any]) -> Value:
    kind, text = tagged
    return None if text is None else _READERS[kind](text)


_READERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "str": str,
    "bytes": b64decode,
}
