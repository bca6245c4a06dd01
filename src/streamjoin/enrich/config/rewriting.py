"""What `on_change: rewrite_rows` needs of the table, and which of its columns are made again.

A row is rewritten from what the table has: its stored columns are joined again with the rewriting references, and what
`output.derive` makes of their columns is computed again. All else stays as it is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow as pa

from streamjoin.config.problems import dotted
from streamjoin.config.stage_columns import Columns
from streamjoin.config.stages import ReferenceSettings
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.config.sql_names import ALL_COLUMNS, UNSTABLE_FUNCTIONS, names_used, words_in

DEFAULT_MAX_ROWS_PER_PASS: Final = 100_000
_OR_ELSE: Final = "or set on_change: new_rows"


@dataclass(frozen=True)
class RewritingPlan:
    """How rows are rewritten.

    Args:
        references: Names of the references that are joined again, in the order of the joins.
        derive: Column -> SQL expression of what is computed again after the joins, in this order.
        columns: Columns of the table that a rewrite may change: those that `references` give and `derive` makes, as
            far as the table has them. The columns of `output.reference_version` are not among them: a new version
            alone is no reason to rewrite a row.
        max_rows_per_pass: Rows that are rewritten after a batch at most.
    """

    references: tuple[str, ...]
    derive: dict[str, str]
    columns: tuple[str, ...]
    max_rows_per_pass: int


def rewriting_plan(config: EnrichConfig) -> RewritingPlan | None:
    """Return how rows are rewritten; None when no reference asks for it.

    Args:
        config: A configuration without problems.
    """
    rewrite = _Rewrite(config)
    if not rewrite.rewriting:
        return None
    again = {each.name: each.expression for each in rewrite.computed_again}
    fresh = [name for reference in rewrite.rewriting.values() for name in reference.columns.values()]
    return RewritingPlan(
        references=tuple(reference.name for reference in rewrite.rewriting.values()),
        derive=again,
        columns=tuple(name for name in dict.fromkeys((*fresh, *again)) if rewrite.lack(name) is None),
        max_rows_per_pass=min(
            reference.max_rows_per_pass or DEFAULT_MAX_ROWS_PER_PASS for reference in rewrite.rewriting.values()
        ),
    )


def rewriting_problems(config: EnrichConfig, columns: Columns) -> Iterator[str]:
    """Return what keeps rows from being rewritten.

    Args:
        config: The configuration, or a draft of it.
        columns: The columns that an event has in the end, as far as they are known.
    """
    rewrite = _Rewrite(config, columns)
    if rewrite.rewriting:
        yield from _joins(rewrite)
        yield from _expressions(rewrite)
        yield from _fixed_columns(rewrite)
        yield from _partition_names(rewrite)


@dataclass(frozen=True)
class _Derived:
    """A derived column; `place` is its own in the order of `output.derive`."""

    place: int
    name: str
    expression: str
    used: frozenset[str]
    depends_on: frozenset[str]


class _Rewrite:
    """What becomes of the columns of a row that is rewritten. Names are in lower case."""

    def __init__(self, config: EnrichConfig, columns: Columns | None = None) -> None:
        self.config = config
        self._columns = columns or Columns()
        self.rewriting: dict[int, ReferenceSettings] = {
            index: each for index, each in enumerate(config.references or []) if each.on_change == "rewrite_rows"
        }
        self._places = {name.lower(): place for place, name in enumerate(config.output.derive or {})}

    @cached_property
    def fresh(self) -> dict[str, frozenset[str]]:
        """Column that a rewriting reference gives -> the references that it depends on."""
        found: dict[str, frozenset[str]] = {}
        for index, reference in self.rewriting.items():
            earlier = (found.get(column.lower(), frozenset[str]()) for column in reference.on or {})
            depends_on = frozenset({_named(index, reference)}).union(*earlier)
            found |= {name.lower(): depends_on for name in (reference.columns or {}).values()}
        return found

    @cached_property
    def derived(self) -> list[_Derived]:
        """All derived columns, each with what it depends on by itself and by those before it."""
        depends_on, found = dict(self.fresh), []
        for place, (name, expression) in enumerate((self.config.output.derive or {}).items()):
            used = names_used(expression)
            taken = depends_on if ALL_COLUMNS in used else used & depends_on.keys()
            depends_on[name.lower()] = frozenset[str]().union(*(depends_on[column] for column in taken))
            found.append(_Derived(place, name, expression, used, depends_on[name.lower()]))
        return found

    @cached_property
    def depends_on(self) -> dict[str, frozenset[str]]:
        """Column -> the rewriting references that it depends on, of columns as they are in the end."""
        found = self.fresh | {each.name.lower(): each.depends_on for each in self.derived}
        return {name: references for name, references in found.items() if references}

    @cached_property
    def computed_again(self) -> list[_Derived]:
        """The derived columns that a rewrite has to compute, in order."""
        found: list[_Derived] = []
        wanted: set[str] = set()
        for each in reversed(self.derived):
            name = each.name.lower()
            # One that takes the place of a fresh column must do so again, whatever it is made of.
            changes = each.depends_on or name in self.fresh
            if changes and (name in wanted or self.lack(name) is None):
                found.insert(0, each)
                wanted |= each.used
        return found

    def lack(self, name: str, place: int | None = None) -> str | None:
        """Return why the table doesn't hold the value of column `name`, and what to do; None when it does.

        Args:
            name: The column.
            place: Where in the order of `output.derive` its value is needed. Default: after all.
        """
        name, output = name.lower(), self.config.output
        if place is not None and self._places.get(name, -1) >= place:
            return "output.derive replaces it; derive under another name"
        for index, partition in enumerate(self.config.sink.hudi.partition_by or []):
            if partition.name is not None and partition.name.lower() == name and self._is_remade(index):
                return f"sink.hudi.partition_by[{index}] replaces it; give the partition another name"
        for key, leaves_out in (
            ("drop", name in _lowered(output.drop)),
            ("select", isinstance(output.select, list) and name not in _lowered(output.select)),
        ):
            if leaves_out:
                return f"output.{key} leaves it out; keep it in the output"
        return None

    def may_be_joined_on(self, name: str) -> bool:
        """Tell whether there may be a column `name` before `output.derive`; if not, another problem says so."""
        found = self._columns.like(name)
        return not self._columns.complete or (found is not None and not found.is_new)

    def is_column(self, name: str, place: int) -> bool:
        """Tell whether `name` certainly is a column at a place in the order of `output.derive`, and no keyword."""
        found = self._columns.like(name)
        if found is None:
            return not self._columns.complete and name.lower() in _lowered(self.config.output.drop)
        return not found.is_new or self._places[name.lower()] < place

    def _is_remade(self, index: int) -> bool:
        partition = self.config.sink.hudi.partition_by[index]
        if partition.from_ is None:
            return False
        source = self._columns.like(partition.name)
        is_text = source is not None and source.type == pa.string()
        return partition.from_ != partition.name or partition.format is not None or not is_text


def _joins(rewrite: _Rewrite) -> Iterator[str]:
    givers: dict[str, int] = {}
    for index, reference in enumerate(rewrite.config.references or []):
        if index in rewrite.rewriting:
            yield from _join_columns(rewrite, index, reference)
            givers |= dict.fromkeys((reference.columns or {}).values(), index)
        elif reference.on_change == "new_rows":
            for column in (name for name in reference.on or {} if name in givers):
                giver = givers[column]
                yield (
                    f"references[{index}].on_change: found new_rows, but its join column '{column}' is of reference "
                    f"'{_named(giver, rewrite.rewriting[giver])}', whose rows are rewritten: they would keep the "
                    f"values of the old key; set rewrite_rows here too, or new_rows in references[{giver}]"
                )


def _join_columns(rewrite: _Rewrite, index: int, reference: ReferenceSettings) -> Iterator[str]:
    for column in reference.on or {}:
        lack = rewrite.lack(column, place=0) if rewrite.may_be_joined_on(column) else None
        if lack:
            key = dotted(("references", index, "on", column))
            yield f"{key}: rows to rewrite are found in the table by '{column}', but {lack}, {_OR_ELSE}"
    is_whole = reference.columns is not None and rewrite.config.output.derive is not None
    name = _named(index, reference)
    kept = (references for column, references in rewrite.depends_on.items() if rewrite.lack(column) is None)
    if is_whole and not any(name in references for references in kept):
        yield (
            f"references[{index}].on_change: found rewrite_rows, but no column of the table comes from reference "
            f"'{name}'; keep one in the output, {_OR_ELSE}"
        )


def _expressions(rewrite: _Rewrite) -> Iterator[str]:
    at_hand = set(rewrite.fresh)
    for each in rewrite.computed_again:
        key = dotted(("output", "derive", each.name))
        if ALL_COLUMNS in each.used:
            yield (
                f"{key}: takes all columns (*), but not all of them are there when a row is rewritten; name those that "
                f"it needs, {_OR_ELSE}"
            )
        for function in sorted(UNSTABLE_FUNCTIONS & words_in(each.expression)):
            yield (
                f"{key}: {function} gives another value each time it is computed again, so that every row would be "
                f"rewritten for ever; leave it out, {_OR_ELSE}"
            )
        for column in sorted(each.used - at_hand):
            lack = rewrite.lack(column, each.place) if rewrite.is_column(column, each.place) else None
            if lack:
                references = _listed(each.depends_on or rewrite.fresh[each.name.lower()])
                yield (
                    f"{key}: it is computed again when a change of {references} rewrites a row, and uses '{column}' of "
                    f"the table, but {lack}, {_OR_ELSE}"
                )
        at_hand.add(each.name.lower())


def _fixed_columns(rewrite: _Rewrite) -> Iterator[str]:
    hudi = rewrite.config.sink.hudi
    fixed = [
        (f"sink.hudi.record_key[{index}]", name, "a rewrite would make another row")
        for index, name in enumerate(hudi.record_key or [])
    ]
    if hudi.ordering is not None and hudi.ordering.column is not None:
        outcome = "a rewrite keeps the ordering value of the event"
        fixed.append(("sink.hudi.ordering.column", hudi.ordering.column, outcome))
    for index, partition in enumerate(hudi.partition_by or []):
        key, source = ("from", partition.from_) if isinstance(partition.from_, str) else ("name", partition.name)
        if source is not None:
            fixed.append((f"sink.hudi.partition_by[{index}].{key}", source, "a rewrite would move the row"))
    for key, name, outcome in fixed:
        references = rewrite.depends_on.get(name.lower())
        if references:
            yield (
                f"{key}: found '{name}', which depends on {_listed(references)}, whose rows are rewritten: {outcome}; "
                f"name a column that doesn't, {_OR_ELSE}"
            )


def _partition_names(rewrite: _Rewrite) -> Iterator[str]:
    # A name that is free in the output, for its column is dropped, is taken again while a row is rewritten.
    made = rewrite.fresh.keys() | {each.name.lower() for each in rewrite.computed_again}
    for index, partition in enumerate(rewrite.config.sink.hudi.partition_by or []):
        if partition.name is None or partition.from_ is None or partition.from_ == partition.name:
            continue
        if partition.name.lower() in made:
            yield (
                f"sink.hudi.partition_by[{index}].name: '{partition.name}' is also the name of a column that a rewrite "
                f"makes again; use another name, {_OR_ELSE}"
            )


def _named(index: int, reference: ReferenceSettings) -> str:
    return reference.name or f"references[{index}]"


def _listed(references: frozenset[str]) -> str:
    names = ", ".join(f"'{name}'" for name in sorted(references))
    return f"reference {names}" if len(references) == 1 else f"references {names}"


def _lowered(names: object) -> set[str]:
    return {name.lower() for name in names} if isinstance(names, list) else set()
