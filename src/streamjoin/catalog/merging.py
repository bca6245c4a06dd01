"""What is in the catalog and what is to be there, put together: nothing of others is lost, nothing written twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamjoin.catalog.columns import Column
from streamjoin.catalog.entry import Entry
from streamjoin.errors import SinkError

# What UpdateTable and BatchUpdatePartition take of what GetTable and GetPartitions give.
# Source: TableInput and PartitionInput in the API reference of Glue.
_TABLE_INPUT: Final = (
    *("Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor"),
    *("PartitionKeys", "ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable"),
)
_PARTITION_INPUT: Final = ("Values", "LastAccessTime", "StorageDescriptor", "Parameters", "LastAnalyzedTime")
_SPARK_SCHEMA: Final = "spark.sql.sources.schema."


@dataclass
class Merged:
    """An entry of the catalog as it is to be written.

    Args:
        table: As CreateTable and UpdateTable take it.
        said: What differs from what was there, in words; empty: nothing.
        columns_changed: Whether a column is new, gone, or of another type.
    """

    table: dict[str, Any]
    said: list[str] = field(default_factory=list)
    columns_changed: bool = False

    @property
    def storage(self) -> dict[str, Any]:
        """Its storage descriptor, which its partitions have too, each with its own location."""
        found: dict[str, Any] = self.table["StorageDescriptor"]
        return found


def merged(entry: Entry, there: Mapping[str, Any] | None, comments: Mapping[str, str], *, exact: bool) -> Merged:
    """Return an entry of the catalog as it is to be.

    Descriptions, comments, parameters and column parameters that others gave it stay.

    Args:
        entry: What it is to say.
        there: What GetTable gives; None: it isn't there.
        comments: Of columns, by name.
        exact: Whether columns are left out that the table doesn't have; else they stay: another writer may have added
            them by a commit that this one doesn't know yet.

    Raises:
        SinkError: What is there is another table.
    """
    # An emulator tells an owner that is none as an empty one, which UpdateTable doesn't take.
    before = {key: value for key, value in (there or {}).items() if key in _TABLE_INPUT and value != ""}
    storage: Mapping[str, Any] = before.get("StorageDescriptor", {})
    if there is not None:
        _check_same(entry, there, storage)
    texts = {name.lower(): text for name, text in comments.items()}
    found = Merged({})
    keys = _columns(entry.partition_keys, before.get("PartitionKeys", ()), texts, found, exact=True)
    names = {key["Name"] for key in keys}
    own = [column for column in storage.get("Columns", ()) if column["Name"].lower() not in names]
    columns = _columns(entry.columns, own, texts, found, exact=exact)
    wanted = entry.storage(columns)
    serde = storage.get("SerdeInfo", {})
    serde_parameters = {**serde.get("Parameters", {}), **wanted["SerdeInfo"]["Parameters"]}
    parameters = {
        name: value for name, value in before.get("Parameters", {}).items() if not name.startswith(_SPARK_SCHEMA)
    }
    found.table = {
        **before,
        "Name": entry.name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": keys,
        "Parameters": {**parameters, **entry.parameters},
        "StorageDescriptor": {
            **storage,
            **wanted,
            "SerdeInfo": {**serde, **wanted["SerdeInfo"], "Parameters": serde_parameters},
        },
    }
    if there is None:
        found.said = [f"made with {len(columns)} columns"]
        return found
    for what in ("InputFormat", "OutputFormat", "SerdeInfo"):
        if found.storage[what] != storage.get(what):
            found.said.append(f"{what} mended")
    if found.table["Parameters"] != before.get("Parameters"):
        found.said.append("parameters brought up to date")
    if not found.said and found.table != before:
        found.said.append("mended")
    return found


def _check_same(entry: Entry, there: Mapping[str, Any], storage: Mapping[str, Any]) -> None:
    location = str(storage.get("Location", ""))
    if _plain(location) != _plain(entry.location):
        kind = there.get("TableType", "a table")
        message = (
            f"catalog: '{there.get('DatabaseName')}.{entry.name}' is there already ({kind}), of "
            f"'{location or 'no location'}', expected '{entry.location}'. It was left as it is. Give "
            "sink.hudi.table_name or database another value, or delete it from the catalog"
        )
        raise SinkError(message)


def has_other_keys(entry: Entry, there: Mapping[str, Any]) -> bool:
    """Say whether what is there is partitioned by other columns."""
    return [key["Name"].lower() for key in there.get("PartitionKeys", ())] != [key.key for key in entry.partition_keys]


def _plain(location: str) -> str:
    scheme, colon, rest = location.rstrip("/").partition("://")
    return f"s3://{rest}" if colon and scheme.lower() in ("s3", "s3a", "s3n") else location.rstrip("/")


def _columns(
    wanted: Sequence[Column],
    there: Sequence[Mapping[str, Any]],
    comments: Mapping[str, str],
    found: Merged,
    *,
    exact: bool,
) -> list[dict[str, Any]]:
    """Return columns in the order in which they are there, new ones behind: some readers go by the place."""
    by_name = {column.key: column for column in wanted}
    columns: list[dict[str, Any]] = []
    for column in there:
        mine = by_name.pop(column["Name"].lower(), None)
        if mine is None and exact:
            found.said.append(f"column {column['Name']} left out")
            found.columns_changed = True
        elif mine is None:
            columns.append(dict(column))
        else:
            columns.append(_mended(mine, column, comments.get(mine.key), found))
    for new in by_name.values():
        comment = comments.get(new.key, new.comment)
        columns.append({"Name": new.key, "Type": new.type_text, **({"Comment": comment} if comment else {})})
        found.said.append(f"column {new.key} {new.type_text} added")
        found.columns_changed = True
    return columns


def _mended(mine: Column, there: Mapping[str, Any], comment: str | None, found: Merged) -> dict[str, Any]:
    is_named = there["Name"] == mine.key
    if not is_named or there.get("Type", "").replace(" ", "").lower() != mine.type_text:
        found.said.append(f"column {mine.key} {there.get('Type')} -> {mine.type_text}")
        found.columns_changed = True
    text = comment or there.get("Comment") or mine.comment
    if text != there.get("Comment", ""):
        found.said.append(f"comment of column {mine.key}")
    return {**there, "Name": mine.key, "Type": mine.type_text, **({"Comment": text} if text else {})}


def partition_input(
    storage: Mapping[str, Any], values: Sequence[str], location: str, there: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return a partition as it is to be; None if what is there is so.

    Args:
        storage: The storage descriptor of its table.
        values: Its values.
        location: Where its files are.
        there: What GetPartitions gives; None: it isn't there.
    """
    wanted = {**storage, "Location": location}
    if there is None:
        return {"Values": list(values), "StorageDescriptor": wanted}
    before = there.get("StorageDescriptor", {})
    if _shape(before) == _shape(wanted):
        return None
    kept = {key: value for key, value in there.items() if key in _PARTITION_INPUT}
    return {**kept, "StorageDescriptor": {**before, **wanted}}


def _shape(storage: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what of a partition readers compare with its table; comments are none of it."""
    return (
        [(column["Name"], column.get("Type")) for column in storage.get("Columns", ())],
        _plain(str(storage.get("Location", ""))),
        storage.get("InputFormat"),
        storage.get("OutputFormat"),
        storage.get("SerdeInfo", {}).get("SerializationLibrary"),
    )
