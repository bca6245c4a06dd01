"""Which attributes the rules make of one table's columns, and what is its key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamjoin.dms.document import Document, MapOf, Scalar, misfits
from streamjoin.dms.object_mapping import DOCUMENT_ATTRIBUTE, RESERVED_ATTRIBUTES, ObjectMappingRule
from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.dms.template import Template
from streamjoin.dms.transformation import TransformationRule, first

_TYPES: Final = dict.fromkeys(ColumnKind, "S") | {
    ColumnKind.INTEGER: "N",
    ColumnKind.DECIMAL: "N",
    ColumnKind.FLOAT: "N",
    ColumnKind.BIT: "N",
    ColumnKind.BINARY: "B",
}
_STATE_A_KEY: Final = "state one with an object-mapping rule: partition-key-name, and sort-key-name if it has two"


@dataclass
class TableAttributes:
    """What becomes of one table's columns; `problems` has a line for each thing that doesn't fit.

    Args:
        table: The table.
        rule: Its object-mapping rule.
        transformations: The column rules that fit the table, whatever the column.
        missing_as_null: Whether a column that a rule names and the table doesn't have is no problem.
    """

    table: SourceTable
    rule: ObjectMappingRule | None
    transformations: Sequence[TransformationRule]
    missing_as_null: bool
    attributes: dict[str, Document] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        by_column = self._by_column()
        mapped = self.rule.attributes if self.rule else {}
        own = {name: made for name, made in by_column.values() if name not in mapped}
        self._check_names(by_column)
        self.attributes = {**own, **mapped}
        if self.rule and self.rule.into_document:
            keys = (
                (self.rule.partition_key, self.rule.sort_key) if self.rule.partition_key else self._natural(by_column)
            )
            kept = {name: made for name, made in own.items() if name in keys}
            document = MapOf(tuple((name, made) for name, made in by_column.values()))
            self.attributes = {**kept, **mapped, DOCUMENT_ATTRIBUTE: document}
        self._check_columns(mapped)
        self.partition_key, self.sort_key = self._key(by_column)

    def _by_column(self) -> dict[str, tuple[str, Document]]:
        """Return for each column that is not left out the name and the making of its attribute."""
        excluded = self.rule.exclude_columns if self.rule else ()
        including = any(rule.action == "include-column" for rule in self.transformations)
        found: dict[str, tuple[str, Document]] = {}
        for column in self.table.columns:
            rules = [rule for rule in self.transformations if rule.column and rule.column.matches(column.name)]
            included = [rule for rule in rules if rule.action == "include-column"]
            if included and len(rules) > len(included):
                numbers = ", ".join(str(rule.rule_id) for rule in rules)
                self.problems.append(f"column '{column.name}': rules {numbers}; DMS takes one action for a column")
            if column.name not in excluded and (included or not including):
                applied = first(rules)
                if applied is None or applied.action != "remove-column":
                    found[column.name] = _attribute(column, applied)
        return found

    def _natural(self, by_column: dict[str, tuple[str, Document]]) -> tuple[str, ...]:
        return tuple(by_column[name][0] for name in self.table.primary_key if name in by_column)

    def _check_names(self, by_column: dict[str, tuple[str, Document]]) -> None:
        names: dict[str, str] = {}
        for column, (name, _) in by_column.items():
            if name in names:
                self.problems.append(f"columns '{names[name]}' and '{column}' both become the attribute '{name}'")
            names[name] = column
            if not name:
                self.problems.append(f"column '{column}' becomes an attribute without a name")
            if name in RESERVED_ATTRIBUTES and not (self.rule and self.rule.into_document):
                self.problems.append(
                    f"column '{column}' becomes the attribute '{name}', where streamjoin keeps what it knows of an "
                    "item; put it in exclude-columns, or rename it with a transformation rule"
                )

    def _check_columns(self, mapped: dict[str, Document]) -> None:
        kinds = {column.name: column.kind for column in self.table.columns}
        for name, document in self.attributes.items():
            self.problems.extend(f"attribute '{name}': {problem}" for problem in misfits(document, kinds))
        for name, document in mapped.items():
            columns = {column for _, template in document.templates() for column in template.columns}
            self._missing(columns - set(kinds), f"attribute '{name}' (rule {self.rule and self.rule.rule_id})")
        if self.rule:
            self._missing(set(self.rule.exclude_columns) - set(kinds), f"exclude-columns (rule {self.rule.rule_id})")
        for rule in self.transformations:
            if rule.column and not rule.column.is_wild and not rule.locator.is_wild:
                self._missing({rule.column.text} - set(kinds), f"transformation (rule {rule.rule_id})")

    def _missing(self, names: Iterable[str], who: str) -> None:
        self.absent.update(names)
        if self.missing_as_null:
            return
        has = ", ".join(self.table.column_names)
        self.problems.extend(f"{who}: the table has no column '{name}'; it has {has}" for name in sorted(names))

    def _key(self, by_column: dict[str, tuple[str, Document]]) -> tuple[str, str | None]:
        if self.rule and self.rule.partition_key:
            partition_key, sort_key = self.rule.partition_key, self.rule.sort_key
        else:
            partition_key, sort_key = self._primary_key(by_column), None
        for name in (partition_key, sort_key):
            if name:
                self._check_key(name)
        return partition_key, sort_key

    def _primary_key(self, by_column: dict[str, tuple[str, Document]]) -> str:
        columns = self.table.primary_key
        if len(columns) != 1:
            has = f"a primary key of {len(columns)} columns ({', '.join(columns)})" if columns else "no primary key"
            self.problems.append(f"it has {has}, and DMS takes one column for an item's key; {_STATE_A_KEY}")
            return ""
        if columns[0] not in by_column:
            self.problems.append(f"its primary key '{columns[0]}' is left out by a rule; {_STATE_A_KEY}")
            return ""
        return by_column[columns[0]][0]

    def _check_key(self, name: str) -> None:
        made = self.attributes.get(name)
        if made is None:
            if not self.missing_as_null:
                has = ", ".join(sorted(self.attributes))
                self.problems.append(f"the key attribute '{name}' is none that the rules make; they make {has}")
            self.attributes[name] = Scalar("S", Template.of_column(name))
            self.absent.add(name)
        elif not isinstance(made, Scalar) or made.type == "BOOL":
            self.problems.append(f"the key attribute '{name}' is no string, number or binary")


def _attribute(column: SourceColumn, rule: TransformationRule | None) -> tuple[str, Document]:
    template = Template.of_column(column.name)
    if rule and rule.data_type:
        return column.name, Scalar(rule.data_type.type, template, rule.data_type.bounds)
    return rule.renamed(column.name) if rule else column.name, Scalar(_TYPES[column.kind], template)
