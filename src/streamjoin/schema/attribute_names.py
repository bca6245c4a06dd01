"""By which names of a JSON object's attributes the columns of a schema are found."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, TypeVar

import pyarrow as pa

_KEY: Final = b"streamjoin.attribute_names"
_MAPPING: Final = "mapping."

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class AttributeNames:
    """What a table of a catalog says of its columns' attributes; it travels with the columns, as their metadata.

    Args:
        mappings: Column, in lower case -> the attribute that it comes from.
        spellings: Attributes as they are written; of several that differ by case alone one of these counts.
        ignores_case: Whether upper and lower case count as one.
    """

    mappings: Mapping[str, str] = field(default_factory=dict)
    spellings: tuple[str, ...] = ()
    ignores_case: bool = True

    @classmethod
    def of_serde(cls, parameters: Mapping[str, str]) -> "AttributeNames":
        """Return what the parameters of a table's SerDe say.

        Sources: github.com/rcongiu/Hive-JSON-Serde (`mapping.<column>`, `case.insensitive`);
        docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html; `paths` is what Glue's crawlers write.
        """
        mappings = {
            key.removeprefix(_MAPPING).lower(): attribute
            for key, attribute in parameters.items()
            if key.startswith(_MAPPING)
        }
        spellings = tuple(name.strip() for name in parameters.get("paths", "").split(",") if name.strip())
        return cls(mappings, spellings, parameters.get("case.insensitive", "true").strip().lower() != "false")

    @classmethod
    def of(cls, schema: pa.Schema) -> "AttributeNames | None":
        """Return those that travel with `schema`; None: attributes are called as their columns are."""
        written = (schema.metadata or {}).get(_KEY)
        if written is None:
            return None
        found = json.loads(written)
        return cls(found["mappings"], tuple(found["spellings"]), found["ignores_case"])

    def with_columns(self, schema: pa.Schema) -> pa.Schema:
        """Return `schema` with these names."""
        return schema.with_metadata({**(schema.metadata or {}), _KEY: json.dumps(asdict(self)).encode()})

    def by_column(self, attributes: Mapping[str, ValueT], columns: Iterable[str]) -> dict[str, ValueT]:
        """Return the attributes that there are for `columns`, by column.

        The mapped one comes first, then the one of the exact name, then any that differs by case alone, the last of
        several.
        """
        folded: dict[str, ValueT] | None = None
        found = {}
        for column in columns:
            mapped = self.mappings.get(column.lower())
            names = (column,) if mapped is None else (mapped, column)
            for name in names:
                if name in attributes:
                    found[column] = attributes[name]
                    break
                if not self.ignores_case:
                    continue
                folded = self._folded(attributes) if folded is None else folded
                if name.lower() in folded:
                    found[column] = folded[name.lower()]
                    break
        return found

    def _folded(self, attributes: Mapping[str, ValueT]) -> dict[str, ValueT]:
        folded = {name.lower(): value for name, value in attributes.items()}
        return folded | {name.lower(): attributes[name] for name in self.spellings if name in attributes}
