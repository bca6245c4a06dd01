"""What a stack says of itself: the outputs of infra/streamjoin.yaml, which its README lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamjoin.errors import StackError

# Job -> the output with the Glue job's name, and the parameter that decides whether there is one.
_JOBS: Final = {
    "enrich": ("EnrichJob", "Enrich"),
    "capture": ("CaptureJob", "CaptureTables"),
    "backfill": ("BackfillJob", "CaptureTables"),
    "replicate": ("ReplicateJob", "Replication"),
}

# An output that every stack of the templates has.
_OURS: Final = "ConfigurationUri"


@dataclass(frozen=True)
class TableEntry:
    """A DynamoDB table, as the parameters `ReferenceTables` and `CaptureTables` name it.

    Args:
        name: The table's name.
        keys: The attributes of its key; none of a table that was there before the stack.
    """

    name: str
    keys: tuple[str, ...]

    @classmethod
    def parse(cls, entry: str) -> "TableEntry":
        """Read `NAME`, `NAME:KEY` or `NAME:KEY:SORTKEY`; a key may have its type behind it, as `device=N`."""
        name, *keys = entry.strip().split(":")
        return cls(name, tuple(key.partition("=")[0] for key in keys))


@dataclass(frozen=True)
class Outputs:
    """The outputs of one stack.

    Args:
        stack: The stack's name, for messages.
        values: By their names; what isn't made has none, or an empty one.
    """

    stack: str
    values: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        """Return an output that has to be there.

        Raises:
            StackError: It isn't, or it is empty.
        """
        if value := self.values.get(key):
            return value
        if key in self.values:
            message = f"stack '{self.stack}': its output {key} is empty: what it would name was not made"
        else:
            found = ", ".join(sorted(self.values)) or "none"
            message = (
                f"stack '{self.stack}' has no output {key}; it has: {found}. Give the name of a stack of "
                "infra/streamjoin.yaml, and deploy it with the templates of this version: make deploy"
            )
        raise StackError(message)

    def get(self, key: str) -> str | None:
        """Return an output, None if it is empty or isn't there."""
        return self.values.get(key) or None

    def has(self, job: str) -> bool:
        """Tell whether the stack has this job."""
        return bool(self.values.get(_JOBS[job][0]))

    def job_name(self, job: str) -> str:
        """Return the Glue job's name.

        Raises:
            StackError: The stack doesn't have this job.
        """
        output, parameter = _JOBS[job]
        if not self.values.get(output) and _OURS in self.values:
            others = ", ".join(each for each in _JOBS if self.has(each)) or "none"
            message = f"stack '{self.stack}' has no job {job}; it has: {others}. Its parameter {parameter} decides"
            raise StackError(message)
        return self[output]

    def tables(self, key: str) -> list[TableEntry]:
        """Return the tables that an output lists."""
        return [TableEntry.parse(each) for each in self.values.get(key, "").split(",") if each.strip()]
