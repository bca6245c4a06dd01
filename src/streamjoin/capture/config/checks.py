"""What spans several keys of `job: capture`: its source, its tables, and the places that they are kept in.

As in `checks`, a configuration may have holes here.
"""

from collections.abc import Iterator, Mapping, Sequence

from streamjoin.capture.config.capture import CaptureConfig, JournalSettings, journal_path, letters_name
from streamjoin.capture.config.columns import table_problems
from streamjoin.capture.config.tables import ALL_OTHERS, CaptureTableSettings
from streamjoin.config.catalog_stages import Catalogued, GlueSettings, catalog_problems, entry_names
from streamjoin.config.paths import TEMPLATE_MARK, overlap
from streamjoin.config.problems import shown
from streamjoin.config.sink_stages import letters_catalogued
from streamjoin.config.stages import KinesisSettings, kinesis_problems


def capture_problems(config: CaptureConfig) -> list[str]:
    """Return what is wrong across the keys of `config`."""
    tables = config.tables or []
    found = [*_source(config), *_names(tables), *_stream_of_table(config, tables)]
    for index, table in enumerate(tables):
        found += template_problems(table, f"tables[{index}]")
        found += table_problems(table, f"tables[{index}]")
    letters = (f"{letters_name(config.name)}_dead_letters",) if config.name else ()
    found += captured_catalog_problems(tables, letters_catalogued(config.dead_letters, letters))
    return [*found, *place_problems(_places(config, tables))]


def captured_catalog_problems(tables: Sequence[CaptureTableSettings], letters: Catalogued) -> Iterator[str]:
    """Yield what can't be of the tables, and the dead letters, that a file enters in catalogs."""
    entered = []
    for index, table in enumerate(tables):
        at, hudi = f"tables[{index}].sink.hudi", table.sink.hudi
        has_tombstones = isinstance(hudi.glue, GlueSettings) and hudi.glue.tombstones
        if has_tombstones and table.layout == "changelog":
            yield f"{at}.glue.tombstones: allowed with layout current only; a changelog keeps every change"
        names = entry_names(hudi.table_name, hudi.table_type, tombstones=has_tombstones)
        entered.append(Catalogued(at, hudi.base_path, hudi.catalog, hudi.glue, hudi.database, names))
    yield from catalog_problems([*entered, letters])


def _source(config: CaptureConfig) -> Iterator[str]:
    source = config.source
    if source.kinesis is None and source.dynamodb_stream is None:
        yield "source: found neither kinesis nor dynamodb_stream; give one of them"
    if source.kinesis is not None and source.dynamodb_stream is not None:
        yield "source: found both kinesis and dynamodb_stream; give one of them"
    if isinstance(source.kinesis, KinesisSettings):
        yield from kinesis_problems(source.kinesis)


def _names(tables: Sequence[CaptureTableSettings]) -> Iterator[str]:
    captured: dict[str, int] = {}
    written: dict[tuple[str, str], int] = {}
    for index, table in enumerate(tables):
        name, hudi = table.table_name, table.sink.hudi
        if name is not None and captured.setdefault(name, index) != index:
            what = "a second template" if name == ALL_OTHERS else f"found '{name}'"
            yield f"tables[{index}].table_name: {what}, as in tables[{captured[name]}]; give every table one entry"
        if hudi.database is None or hudi.table_name is None:
            continue
        first = written.setdefault((hudi.database, hudi.table_name), index)
        if first != index:
            yield (
                f"tables[{index}].sink.hudi.table_name: found '{hudi.table_name}', which is also that of "
                f"tables[{first}], in the same database; give every table its own"
            )


def _stream_of_table(config: CaptureConfig, tables: Sequence[CaptureTableSettings]) -> Iterator[str]:
    stream = config.source.dynamodb_stream
    if stream is None or stream.table_name is None or not tables or config.source.kinesis is not None:
        return
    at = "source.dynamodb_stream"
    for index, table in enumerate(tables):
        if table.table_name not in (None, ALL_OTHERS, stream.table_name):
            yield (
                f"tables[{index}].table_name: found '{table.table_name}', but {at} has the changes of "
                f"'{stream.table_name}' alone; leave the entry out, or read a stream of source.kinesis"
            )
    names = [table.table_name for table in tables]
    if None not in names and not {ALL_OTHERS, stream.table_name}.intersection(names):
        yield f"tables: found no entry of '{stream.table_name}', the table of {at}; add one"


def template_problems(table: CaptureTableSettings, at: str) -> Iterator[str]:
    """Yield where a template lacks `{table}`, or another entry has it."""
    is_template = table.table_name == ALL_OTHERS
    for key in ("base_path", "table_name"):
        value = getattr(table.sink.hudi, key)
        if value is None or table.table_name is None:
            continue
        if is_template and TEMPLATE_MARK not in value:
            yield (
                f"{at}.sink.hudi.{key}: found {shown(value)}; allowed in a template: one with {TEMPLATE_MARK}, "
                f"which stands for the table's name"
            )
        if not is_template and TEMPLATE_MARK in value:
            yield (
                f"{at}.sink.hudi.{key}: found {shown(value)}; {TEMPLATE_MARK} is allowed in a template only, the entry "
                f"whose table_name is '{ALL_OTHERS}'"
            )


def _places(config: CaptureConfig, tables: Sequence[CaptureTableSettings]) -> dict[str, str]:
    """Return every path of `config` by its key."""
    found = {f"tables[{index}].sink.hudi.base_path": table.sink.hudi.base_path for index, table in enumerate(tables)}
    found["dead_letters.base_path"] = config.dead_letters.base_path
    if isinstance(config.journal, JournalSettings):
        found["journal.base_path"] = config.journal.base_path
    elif config.journal is None and config.dead_letters.base_path is not None:
        found["journal.base_path"] = journal_path(config)
    return {key: path for key, path in found.items() if path is not None}


def place_problems(places: Mapping[str, str]) -> Iterator[str]:
    """Yield each pair of paths, by their keys, of which one is the other or lies in it."""
    known = list(places.items())
    for index, (key, path) in enumerate(known):
        for earlier, other in known[:index]:
            how = overlap(path, other)
            if how:
                yield f"{key}: found {shown(path)}, {how} {earlier} {shown(other)}; allowed: a path beside it"
