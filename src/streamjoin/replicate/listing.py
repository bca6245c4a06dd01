"""Dead letters of a replication as a person looks at them: which, how many, why."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.dms.rejected import RowRejectReason
from streamjoin.errors import ConfigError, SinkError
from streamjoin.moments import in_utc
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.replicate.config import ReplicateConfig

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    Args:
        file: Below the base path.
        written: When it was written last.
        content: As `RejectedRow.to_dict` gave it.
    """

    file: str
    written: datetime
    content: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why the row can't be an item."""
        return str(self.content["reason"])

    @property
    def position(self) -> BinlogPosition:
        """The end of the row's event, or the binlog's end noted before the row was loaded."""
        return BinlogPosition.from_dict(self.content["position"])


def folder_of(config: ReplicateConfig) -> str:
    """Return where a job's dead letters are.

    Raises:
        ConfigError: It keeps none.
    """
    if config.dead_letters is None:
        problem = "dead_letters: not set, so that the first row that can't be an item stops the job; set base_path"
        raise ConfigError([problem], where=f"job '{config.name}'")
    return config.dead_letters.base_path


def read_letters(
    base_path: str, reasons: Iterable[str] = (), since: datetime | None = None, until: datetime | None = None
) -> list[Letter]:
    """Return the dead letters of a job, the newest first; a job that has none yet has an empty list.

    Args:
        base_path: Their folder.
        reasons: Those that have one of these reasons; none: whatever the reason.
        since: Those that were written then or later; without a zone it is UTC.
        until: Those that were written before.

    Raises:
        ConfigError: A reason is unknown.
        SinkError: The folder, or a letter in it, can't be read.
    """
    wanted, known = list(reasons), list(RowRejectReason)
    unknown = [f"reason: found '{each}'; allowed: {', '.join(known)}" for each in wanted if each not in known]
    if unknown:
        raise ConfigError(unknown, where="dead letters")
    first, last = in_utc(since or _EARLIEST), in_utc(until) if until else None
    found = [
        letter
        for letter in _letters(base_path)
        if (not wanted or letter.reason in wanted)
        and letter.written >= first
        and (last is None or letter.written < last)
    ]
    return sorted(found, key=lambda letter: (letter.written, letter.file), reverse=True)


def as_table(letters: Iterable[Letter], *, show_data: bool = False) -> pa.Table:
    """Return letters as a table.

    Columns out: `written` (UTC), `reason`, `detail`, `table`, `operation` (insert, update or load), `position`, `file`;
        with `show_data` also `row`, as JSON.
    """
    listed = list(letters)
    columns: dict[str, list[Any]] = {
        "reason": [letter.reason for letter in listed],
        "detail": [letter.content["detail"] for letter in listed],
        "table": [f"{letter.content['schema']}.{letter.content['table']}" for letter in listed],
        "operation": [letter.content["operation"] for letter in listed],
        "position": [str(letter.position) for letter in listed],
        "file": [letter.file for letter in listed],
    }
    if show_data:
        columns["row"] = [json.dumps(letter.content["row"], ensure_ascii=False) for letter in listed]
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table({"written": pa.array([each.written for each in listed], pa.timestamp("us", "UTC")), **texts})


def count_by_reason(letters: Iterable[Letter]) -> dict[str, int]:
    """Count letters by reason, the most frequent first."""
    return dict(Counter(letter.reason for letter in letters).most_common())


def _letters(base_path: str) -> Iterator[Letter]:
    try:
        files, root = open_path(base_path)
        for info in files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
            if info.type is fs.FileType.File and info.extension == "json":
                with files.open_input_stream(info.path) as file:
                    yield _letter(info, info.path.removeprefix(root).lstrip("/"), file.read())
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"dead letters at '{base_path}': they can't be read ({type(error).__name__}: {error})"
        raise SinkError(message) from error


def _letter(info: fs.FileInfo, file: str, data: bytes) -> Letter:
    letter = Letter(file, info.mtime or _EARLIEST, json.loads(data))
    # What isn't a letter has neither.
    _ = letter.reason, letter.position
    return letter
