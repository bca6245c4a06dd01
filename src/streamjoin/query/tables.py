"""The tables that a query may name, and where they are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_TABLE_NAME: Final = "t"


@dataclass(frozen=True)
class QueryTables:
    """Hudi tables by the names that SQL has for them.

    Args:
        by_name: Name -> base path.
        ambiguous: Name -> base paths, if several have it.
    """

    by_name: Mapping[str, str]
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of_path(cls, base_path: str) -> "QueryTables":
        """Return the single table at `base_path`."""
        return cls({DEFAULT_TABLE_NAME: base_path})

    @classmethod
    def named(cls, tables: Iterable[tuple[str, str]]) -> "QueryTables":
        """Return the tables of these names and base paths; a single one is called `t` too."""
        paths = defaultdict[str, list[str]](list)
        for name, base_path in tables:
            paths[name].append(base_path)
        by_name = {name: found[0] for name, found in paths.items() if len(found) == 1}
        if len(paths) == len(by_name) == 1:
            by_name[DEFAULT_TABLE_NAME] = next(iter(by_name.values()))
        return cls(by_name, {name: tuple(found) for name, found in paths.items() if len(found) > 1})

    @property
    def only(self) -> str | None:
        """The base path of a single table."""
        paths = {*self.by_name.values(), *(path for paths in self.ambiguous.values() for path in paths)}
        return paths.pop() if len(paths) == 1 else None
