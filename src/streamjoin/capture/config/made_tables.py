"""The tables that a capture job writes: those listed, and those that its template has made."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.capture.config.capture import CaptureConfig, settings_of_table
from streamjoin.capture.config.tables import ALL_OTHERS, CaptureTableSettings
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.errors import ConfigError, SinkError

_TABLE_NAME: Final = "[A-Za-z0-9_.-]{3,255}"


def captured_tables(config: CaptureConfig) -> Iterator[tuple[str, str]]:
    """Yield name and base path of each table of a capture job, as `captured_settings`."""
    for table in captured_settings(config):
        yield table.sink.hudi.table_name, table.sink.hudi.base_path


def captured_settings(
    config: CaptureConfig, is_wanted: Callable[[CaptureTableSettings], bool] = lambda table: True
) -> Iterator[CaptureTableSettings]:
    """Yield the settings of each table of a capture job: those listed, and those that its template has made.

    Args:
        config: The job's.
        is_wanted: Whether an entry of `tables` is meant.

    Raises:
        SinkError: The place of the template's tables can't be listed.
    """
    for table in filter(is_wanted, config.tables):
        if table.table_name != ALL_OTHERS:
            yield table
            continue
        for name in sorted(made_by(table.sink.hudi.base_path)):
            try:
                found = settings_of_table(config, name)
            except ConfigError:
                # What lies there is another table of the job, or its dead letters.
                continue
            if found is not None and found.sink.hudi.base_path != _listed(config, name):
                yield found


def _listed(config: CaptureConfig, table_name: str) -> str | None:
    return next((each.sink.hudi.base_path for each in config.tables if each.table_name == table_name), None)


def made_by(template: str, *, begun: bool = False) -> dict[str, str]:
    """Return the base paths of the tables that a template has made, by DynamoDB table.

    Args:
        template: The template's base path.
        begun: Also if there may be no table yet, but something of one.

    Raises:
        SinkError: The folder around them can't be listed.
    """
    parent, mark, rest = template.partition(TEMPLATE_MARK)
    if not mark:
        return {}
    folder, _, prefix = parent.rpartition("/")
    suffix, slash, behind = rest.partition("/")
    wanted = re.compile(f"{re.escape(prefix)}({_TABLE_NAME}){re.escape(suffix)}")
    filesystem, root = open_path(folder or ".")
    try:
        there = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
        matches = filter(None, (wanted.fullmatch(each.base_name) for each in there if not each.is_file))
        places = {match[1]: f"{match[0]}{slash}{behind.replace(TEMPLATE_MARK, match[1])}" for match in matches}
        if not begun and places:
            found = filesystem.get_file_info([f"{root}/{place}/.hoodie/hoodie.properties" for place in places.values()])
            places = {name: places[name] for name, each in zip(places, found, strict=True) if each.is_file}
    except OSError as error:
        message = f"'{folder}' can't be listed for the tables that were made in it: {error}"
        raise SinkError(message, retryable=True) from error
    return {name: f"{folder}/{place}" for name, place in places.items()}
