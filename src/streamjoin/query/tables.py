"""The tables that a query may name, and where they are."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyarrow import fs

from streamjoin.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from streamjoin.config import CaptureConfig, JobConfig

DEFAULT_TABLE_NAME: Final = "t"
_TABLE_NAME: Final = "[A-Za-z0-9_.-]{3,255}"


@dataclass(frozen=True)
class QueryTables:
    """Hudi tables by the names that SQL has for them.

    Args:
        by_name: Name -> base path.
        ambiguous: Name -> base paths, where several have it.
    """

    by_name: Mapping[str, str]
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def only(self) -> str | None:
        """The base path of a single table."""
        paths = {*self.by_name.values(), *(path for paths in self.ambiguous.values() for path in paths)}
        return paths.pop() if len(paths) == 1 else None


def tables_of(target: "str | Path | JobConfig") -> QueryTables:
    """Return the tables of a base path, of a configuration, or of the file of one.

    Raises:
        ConfigError: The configuration is wrong, or its job writes no Hudi table.
        SinkError: The place of a template's tables can't be listed.
    """
    if isinstance(target, str | Path) and not str(target).endswith((".yaml", ".yml")):
        return QueryTables({DEFAULT_TABLE_NAME: str(target)})
    # A bare path is answered without pydantic.
    from streamjoin.config import BackfillConfig, CaptureConfig, EnrichConfig, load_job  # noqa: PLC0415

    config = load_job(target) if isinstance(target, str | Path) else target
    match config:
        case EnrichConfig():
            return _named([(config.sink.hudi.table_name, config.sink.hudi.base_path)])
        case CaptureConfig():
            return _named(captured_tables(config))
        case BackfillConfig():
            return _named((each.sink.hudi.table_name, each.sink.hudi.base_path) for each in config.tables)
    where = str(target) if isinstance(target, str | Path) else "configuration"
    raise ConfigError([f"job: found '{config.job}', which writes no Hudi table"], where)


def _named(tables: Iterable[tuple[str, str]]) -> QueryTables:
    paths = defaultdict[str, list[str]](list)
    for name, base_path in tables:
        paths[name].append(base_path)
    by_name = {name: found[0] for name, found in paths.items() if len(found) == 1}
    if len(paths) == len(by_name) == 1:
        by_name[DEFAULT_TABLE_NAME] = next(iter(by_name.values()))
    return QueryTables(by_name, {name: tuple(found) for name, found in paths.items() if len(found) > 1})


def captured_tables(config: "CaptureConfig") -> Iterator[tuple[str, str]]:
    """Yield name and base path of each table of a capture job: those listed, and those that its template has made.

    Raises:
        SinkError: The place of the template's tables can't be listed.
    """
    from streamjoin.config import ALL_OTHERS, settings_of_table  # noqa: PLC0415

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


def _listed(config: "CaptureConfig", table_name: str) -> str | None:
    return next((each.sink.hudi.base_path for each in config.tables if each.table_name == table_name), None)


def _made_by(template: str) -> Iterator[str]:
    """Yield the names of the DynamoDB tables for which there is a Hudi table by the template of its base path."""
    from streamjoin.aws.storage import open_path  # noqa: PLC0415
    from streamjoin.config import TEMPLATE_MARK  # noqa: PLC0415

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
