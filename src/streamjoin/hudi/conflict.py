"""What a table that is there was made as, against what a configuration says: found before anything is written.

Hudi refuses most of it in the middle of a batch ("Config conflict"). It says nothing of the index: rows would be looked
for in other buckets than they are in, and be there twice.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pyarrow import fs

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.table_folder import properties_of
from streamjoin.hudi.timeline import Timeline

INDEX: Final = "index"
"""Under this key a commit says how the rows of the table are found; JSON, as in the note."""

_INDEX_NOTE: Final = ".hoodie/.streamjoin/index.json"
# Tables that have a note. Should one be removed, the commits tell.
_noted: Final[set[str]] = set()
_INDEX_TYPE: Final = "hoodie.index.type"
_COMMITS_SEEN: Final = 10
_BUCKETS: Final = ("hoodie.bucket.index.num.buckets", "hoodie.bucket.index.hash.field", "hoodie.index.bucket.engine")


def conflicts(table: HudiTable, *, at: str = "sink.hudi", rows: str = "sink.hudi.record_key") -> list[str]:
    """Return what of a table's settings differs from those that it was made with; nothing if there is no table.

    Args:
        table: As the configuration has it.
        at: The key of its settings, for the messages.
        rows: The key that decides by which columns rows are known.

    Raises:
        SinkError: What is there can't be read.
    """
    try:
        there = properties_of(table.base_path)
        found = [] if there is None else list(_differing(table, there, at, rows))
        # Another index follows from other partitions or keys.
        if there is not None and not found:
            found = list(_other_index(table, at))
    except (OSError, ValueError) as error:
        message = f"table '{table.table_name}' at {table.base_path}: what it was made as can't be read: {error}"
        raise SinkError(message, retryable=isinstance(error, OSError)) from error
    return found


def as_made(table: HudiTable) -> HudiTable:
    """Return a table with the index that it was made with, if it is there and its options name none.

    Rows can't be found by another one: tables of earlier versions have a global index or other numbers of buckets.

    Raises:
        SinkError: What is there can't be read.
    """
    if _INDEX_TYPE in table.options:
        return table
    try:
        filesystem, root = open_path(table.base_path)
        theirs = _noted_or_said(filesystem, root)
        if theirs is None:
            theirs = _before_notes(Timeline.read(filesystem, root))
    except (OSError, ValueError) as error:
        message = f"table '{table.table_name}' at {table.base_path}: its index can't be read: {error}"
        raise SinkError(message, retryable=isinstance(error, OSError)) from error
    return replace(table, options={**theirs, **table.options})


def index_of(table: HudiTable) -> str:
    """Return how the rows of a table are found; JSON."""
    return json.dumps(_index_of(table))


def note_index(table: HudiTable) -> None:
    """Write down how the rows of a table are found, unless that is done; asks once a process.

    Raises:
        OSError: It can't be read or written.
    """
    if table.base_path in _noted:
        return
    filesystem, root = open_path(table.base_path)
    if get_object(filesystem, f"{root}/{_INDEX_NOTE}") is None:
        put_object(filesystem, f"{root}/{_INDEX_NOTE}", index_of(table).encode())
    _noted.add(table.base_path)


def _differing(table: HudiTable, there: Mapping[str, str], at: str, rows: str) -> Iterator[str]:
    ordering = there.get("hoodie.table.precombine.field", table.ordering)
    if ordering != table.ordering:
        yield (
            f"{at}.base_path: found {table.base_path}, whose table is of another kind of job: its rows are ordered by "
            f"'{ordering}', expected '{table.ordering}'; give this job a path of its own"
        )
        return
    settings = {
        f"{at}.table_name": ("hoodie.table.name", table.table_name),
        f"{at}.database": ("hoodie.database.name", table.database or ""),
        f"{at}.table_type": ("hoodie.table.type", table.table_type),
        rows: ("hoodie.table.recordkey.fields", ",".join(table.record_key)),
        f"{at}.partition_by": ("hoodie.table.partition.fields", ",".join(table.partition_by)),
    }
    for key, (name, ours) in settings.items():
        # The kind of a partition's key generator may stand behind its name: `dt:SIMPLE`.
        theirs = ",".join(each.partition(":")[0] for each in there.get(name, "").split(","))
        is_told = name in there or name == "hoodie.table.partition.fields"
        if is_told and theirs != ours and not (name == "hoodie.database.name" and not theirs):
            yield _line(key, ours, theirs, table)
    for name, option in table.options.items():
        if name in there and there[name].lower() != str(option).lower():
            yield _line(f"{at}.options.{name}", str(option), there[name], table)


def _other_index(table: HudiTable, at: str) -> Iterator[str]:
    filesystem, root = open_path(table.base_path)
    theirs, ours = _noted_or_said(filesystem, root), _index_of(table)
    if theirs is None:
        theirs = _index_seen(Timeline.read(filesystem, root), ours)
    if "BUCKET" in (theirs.get(_INDEX_TYPE), ours.get(_INDEX_TYPE)):
        for name in dict.fromkeys((*theirs, *ours)):
            if theirs.get(name) != ours.get(name):
                yield _line(f"{at}.options.{name}", ours.get(name, ""), theirs.get(name, ""), table)


def _noted_or_said(filesystem: fs.FileSystem, root: str) -> Mapping[str, str] | None:
    """Return what the note, else the newest commit that tells of the index, says of it; None if none does."""
    found = get_object(filesystem, f"{root}/{_INDEX_NOTE}")
    if found is None:
        timeline = Timeline.read(filesystem, root)
        said = ((timeline.metadata(i) or {}).get(INDEX) for i in sorted(timeline.commits, reverse=True))
        found = next((text.encode() for text in said if text), None)
    told: Mapping[str, str] | None = None if found is None else json.loads(found)
    return told


def _before_notes(timeline: Timeline) -> Mapping[str, str]:
    """Return the default index of tables that were made before there were notes; nothing if there is no commit."""
    if not timeline.commits:
        return {}
    buckets = {_INDEX_TYPE: "BUCKET", _BUCKETS[0]: "4"}
    return {_INDEX_TYPE: "GLOBAL_SIMPLE"} if _index_seen(timeline, buckets) != buckets else buckets


def _index_seen(timeline: Timeline, ours: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the newest commits tell of the index, of a table without a note: a bucket's files have its number."""
    if ours.get(_INDEX_TYPE) != "BUCKET":
        return ours
    buckets = int(ours[_BUCKETS[0]])
    for commit in map(timeline.commit, list(timeline.commits)[-_COMMITS_SEEN:]):
        for number in (file.file_id[:8] for file in (commit.files if commit else ())):
            if not number.isdigit():
                return {_INDEX_TYPE: "another index"}
            buckets = max(buckets, int(number) + 1)
    return {**ours, _BUCKETS[0]: str(buckets)}


def _index_of(table: HudiTable) -> dict[str, str]:
    if table.tells_files:
        return {}
    options = table.writer_options(1)
    names = [name for name in _BUCKETS if name in options] if table.index_type == "BUCKET" else []
    return {_INDEX_TYPE: table.index_type, **{name: options[name] for name in names}}


def _line(key: str, ours: str, theirs: str, table: HudiTable) -> str:
    said = [f"'{each}'" if each else "nothing" for each in (ours, theirs)]
    remedy = "set that" if theirs else "leave it out"
    return (
        f"{key}: found {said[0]}, but the table at {table.base_path} was made with {said[1]}; {remedy}, or give "
        "another base_path, where a new table begins"
    )
