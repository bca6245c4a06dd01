"""Columns that stay empty because their attribute is written in another case: executors notice, the driver tells."""

from collections.abc import Mapping
from typing import Any

from pyspark import AccumulatorParam, SparkContext

from streamjoin.records.case_twins import columns_in

Notes = frozenset[tuple[str, str | None]]


class _Union(AccumulatorParam[Any]):
    def zero(self, value: Notes) -> Notes:
        del value
        return frozenset()

    def addInPlace(self, value1: Notes, value2: Notes) -> Notes:
        return value1 | value2


class CaseWatch:
    """Watches the columns of one job.

    Executors note which columns and fields of structs have a value, and which have none while an attribute differs by
    case alone; without a pass of its own.
    """

    def __init__(self) -> None:
        self._notes = SparkContext.getOrCreate().accumulator(frozenset(), _Union())
        self._told: frozenset[str] = frozenset()

    def look(self, events: Any, twins: Mapping[str, str]) -> None:
        """Take note of decoded events, in an executor.

        Args:
            events: The columns, as an array of Arrow's structs.
            twins: Of a column's path the attribute that differs by case alone, if there was one.
        """
        columns = columns_in(events)
        notes = ((name, twins.get(name) if is_empty else None, is_empty) for name, is_empty in columns)
        self._notes.add(frozenset((name, twin) for name, twin, is_empty in notes if twin is not None or not is_empty))

    def take(self) -> dict[str, str]:
        """Return, in the driver, the columns that had no value since the last call, and the attribute of each.

        A column is told of once.
        """
        found, self._notes.value = self._notes.value, frozenset()
        filled = {name for name, attribute in found if attribute is None}
        new = {n: a for n, a in sorted(found, key=str) if a is not None and n not in filled and n not in self._told}
        self._told |= new.keys()
        return new
