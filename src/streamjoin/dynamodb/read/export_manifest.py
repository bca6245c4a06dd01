"""What an export of a DynamoDB table to S3 says of itself.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html. Below `AWSDynamoDB/<id>/`:
`manifest-summary.json` is one JSON object (exportArn, exportTime, tableArn, itemCount, outputFormat, and since there
are incremental exports exportType); `manifest-files.json` has a JSON object a line (itemCount, md5Checksum in base64,
dataFileS3Key); the data files lie in `data/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from pyarrow import fs

from streamjoin.aws.small_objects import get_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SourceError
from streamjoin.moments import iso_us

_SUMMARY: Final = "manifest-summary.json"
_FILES: Final = "manifest-files.json"
_FORMAT: Final = "DYNAMODB_JSON"
_FULL: Final = "FULL_EXPORT"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ExportFile:
    """One data file: its name below `data/`, the items in it, and the MD5 of the file as it lies there, in base64."""

    name: str
    items: int
    md5: str | None


@dataclass(frozen=True)
class ExportManifest:
    """A full export in DynamoDB JSON.

    Args:
        path: Its folder, the one that has the manifests.
        table_arn: The table that it is of.
        exported_us: The moment whose state of the table it holds, in microseconds since 1970.
        files: Its data files, by name.
    """

    path: str
    table_arn: str
    exported_us: int
    files: tuple[ExportFile, ...]

    @property
    def items(self) -> int:
        """How many items it has."""
        return sum(file.items for file in self.files)

    @property
    def exported_at(self) -> datetime:
        """The moment whose state of the table it holds."""
        return _EPOCH + timedelta(microseconds=self.exported_us)

    @property
    def table_name(self) -> str:
        """The name of the table."""
        return self.table_arn.rpartition("/")[2]

    @property
    def region(self) -> str:
        """The region of the table."""
        return self.table_arn.split(":")[3]

    @classmethod
    def read(cls, path: str) -> Self:
        """Read the manifests of the export at `path`: its own folder, or one in which there is no other export.

        Raises:
            SourceError: There is no export, or more than one; it isn't complete; or it is of a kind that isn't read.
        """
        try:
            folder = _folder(path)
            summary = _parsed(folder, _SUMMARY, _content(folder, _SUMMARY))
            _check_kind(folder, summary)
            lines = _content(folder, _FILES).splitlines()
            files = [_parsed(folder, _FILES, line) for line in lines if line.strip()]
            exported_us = iso_us(summary["exportTime"])
            found = cls(
                path=folder,
                table_arn=summary["tableArn"],
                exported_us=exported_us if exported_us is not None else _refused(folder, "exportTime", summary),
                files=tuple(sorted((_file(each) for each in files), key=lambda file: file.name)),
            )
            expected = int(summary["itemCount"])
        except KeyError as error:
            message = f"export at '{path}': its manifests have no {error}; is it an export of DynamoDB to S3?"
            raise SourceError(message) from error
        except OSError as error:
            message = f"export at '{path}' can't be read: {error}. Check source.dynamodb_export.path and the role."
            raise SourceError(message, retryable=True) from error
        if found.items != expected:
            message = (
                f"export at '{folder}': expected {expected} items, as {_SUMMARY} says; {_FILES} has "
                f"{found.items}. Copy the export again, or make another."
            )
            raise SourceError(message)
        return found


def _folder(path: str) -> str:
    filesystem, root = open_path(path)
    if filesystem.get_file_info(f"{root}/{_SUMMARY}").type == fs.FileType.File:
        return path
    below = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
    folders = [each.base_name for each in below if each.type == fs.FileType.Directory]
    exports = [
        name
        for name in sorted(folders)
        if filesystem.get_file_info(f"{root}/{name}/{_SUMMARY}").type == fs.FileType.File
    ]
    if len(exports) == 1:
        return f"{path.rstrip('/')}/{exports[0]}"
    if exports:
        message = (
            f"export at '{path}': found {len(exports)} exports: {', '.join(exports[:5])}. Set "
            f"source.dynamodb_export.path to the folder of one, such as '{path.rstrip('/')}/{exports[-1]}'."
        )
        raise SourceError(message)
    message = (
        f"export at '{path}': found no {_SUMMARY} in it or in a folder of it. Set source.dynamodb_export.path to "
        "the folder AWSDynamoDB/<id> of an export that is complete."
    )
    raise SourceError(message)


def _content(folder: str, name: str) -> bytes:
    filesystem, root = open_path(folder)
    content = get_object(filesystem, f"{root}/{name}")
    if content is None:
        message = f"export at '{folder}': found no {name}: the export isn't complete, or wasn't copied whole"
        raise SourceError(message)
    return content


def _parsed(folder: str, name: str, text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        message = f"export at '{folder}': {name} is not JSON: {error}"
        raise SourceError(message) from error
    if not isinstance(found, Mapping):
        message = f"export at '{folder}': {name}: expected a JSON object, found {type(found).__name__}"
        raise SourceError(message)
    return found


def _check_kind(folder: str, summary: Mapping[str, Any]) -> None:
    found = summary["outputFormat"]
    if found != _FORMAT:
        message = f"export at '{folder}': found outputFormat {found}; only {_FORMAT} is read. Export the table so."
        raise SourceError(message)
    # Exports from before there were incremental ones don't say it.
    kind = summary.get("exportType", _FULL)
    if kind != _FULL:
        message = (
            f"export at '{folder}': found exportType {kind}; only {_FULL} is read. Later changes are "
            "what capture reads from the stream."
        )
        raise SourceError(message)


def _file(values: Mapping[str, Any]) -> ExportFile:
    # By its name alone: an export that was copied still has the keys of the bucket that it was made in.
    return ExportFile(values["dataFileS3Key"].rpartition("/")[2], int(values["itemCount"]), values.get("md5Checksum"))


def _refused(folder: str, key: str, values: Mapping[str, Any]) -> int:
    message = f"export at '{folder}': {_SUMMARY}: {key}: expected a time in ISO 8601, found {values[key]!r}"
    raise SourceError(message)
