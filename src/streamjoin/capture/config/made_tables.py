"""The tables that a capture job writes: those listed, and those that its template has made."""

import re
from collections.abc import Iterator
from typing import Final

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.capture.config.capture import CaptureConfig, settings_of_table
from streamjoin.capture.config.tables import ALL_OTHERS
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.errors import ConfigError, SinkError

_TABLE_NAME: Final = "[A-Za-z0-9_.-]{3,255}"


def captured_tables(config: CaptureConfig) -> Iterator[tuple[str, str]]:
    """Yield name and base path of each table of a capture job: those listed, and those that its template has made.

    Raises:
        SinkError: The place of the template's tables can't be listed.
    """
    for table in config.tables:
        if table.table_name != ALL_OTHERS:
            yield table.sink.hudi.table_name, table.sink.hudi.base_path
            continue
        for name in _made_by(table.sink.hudi.base_path):
            try:
                found = settings_of_table(config, name)
            except ConfigError:
                # What lies there is another table of the job, or its dead letters.
                continue
            if found is not None and found.sink.hudi.base_path != _listed(config, name):
                yield found.sink.hudi.table_name, found.sink.hudi.base_path


def _listed(config: CaptureConfig, table_name: str) -> str | None:
    return next((each.sink.hudi.base_path for each in config.tables if each.table_name == table_name), None)


def _made_by(template: str) -> Iterator[str]:
    """Yield the names of the DynamoDB tables for which there is a Hudi table by the template of its base path."""
    parent, _, rest = template.partition(TEMPLATE_MARK)
    folder, _, prefix = parent.rpartition("/")
    suffix, slash, behind = rest.partition("/")
    filesystem, root = open_path(folder or ".")
    wanted = re.compile(f"{re.escape(prefix)}({_TABLE_NAME}){re.escape(suffix)}")
    try:
        there = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
        names = {found.path: match[1] for found in there if (match := wanted.fullmatch(found.base_name))}
        tables = {
            f"{path}{slash}{behind.replace(TEMPLATE_MARK, name)}/.hoodie/hoodie.properties": name
            for path, name in names.items()
        }
        properties = filesystem.get_file_info(list(tables)) if tables else []
    except OSError as error:
        message = f"'{folder}' can't be listed for the tables that were made in it: {error}"
        raise SinkError(message, retryable=True) from error
    yield from sorted(tables[found.path] for found in properties if found.type == fs.FileType.File)
