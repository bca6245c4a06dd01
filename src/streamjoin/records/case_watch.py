"""Columns that stay empty because their attribute is written in another case: executors notice, the driver tells."""

from collections.abc import Set
from typing import Any

from pyspark import AccumulatorParam, SparkContext

Notes = frozenset[tuple[str, str | None]]


class _Union(AccumulatorParam[Any]):
    def zero(self, value: Notes) -> Notes:
        del value
        return frozenset()

    def addInPlace(self, value1: Notes, value2: Notes) -> Notes:
        return value1 | value2


class CaseWatch:
    """Watches the columns of one job.

    Executors note which columns have a value, and which have none while an attribute differs by case alone. So it costs
    a look at the first objects of each part that is decoded, and no pass of its own.
    """

    def __init__(self) -> None:
        self._notes = SparkContext.getOrCreate().accumulator(frozenset(), _Union())
        self._told: frozenset[str] = frozenset()

    def look(self, events: Any, unknown: Set[str]) -> None:
        """Take note of decoded events, in an executor.

        Args:
            events: The columns, as an array of Arrow's structs.
            unknown: Attributes that no column is called like.
        """
        names = [field.name for field in events.type]
        is_empty = [events.field(at).null_count == len(events) for at in range(len(names))]
        notes: set[tuple[str, str | None]] = {(n, None) for n, empty in zip(names, is_empty, strict=True) if not empty}
        if unknown and any(is_empty):
            folded = {name.lower(): name for name in sorted(unknown)}
            empty_ones = (n for n, empty in zip(names, is_empty, strict=True) if empty and n.lower() in folded)
            notes |= {(name, folded[name.lower()]) for name in empty_ones}
        self._notes.add(frozenset(notes))

    def take(self) -> dict[str, str]:
        """Return, in the driver, the columns that had no value since the last call, and the attribute of each.

        A column is told of once.
        """
        found, self._notes.value = self._notes.value, frozenset()
        filled = {name for name, attribute in found if attribute is None}
        new = {n: a for n, a in sorted(found, key=str) if a is not None and n not in filled and n not in self._told}
        self._told |= new.keys()
        return new
