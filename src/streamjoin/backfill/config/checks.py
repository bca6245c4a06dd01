"""What spans several keys of `job: backfill`. As in `checks`, a configuration may have holes here."""

from collections.abc import Iterator, Mapping

from streamjoin.backfill.config.backfill import BackfillConfig, BackfillTableSettings, Watermark, WhereSettings
from streamjoin.capture.config.checks import captured_catalog_problems, place_problems, template_problems
from streamjoin.capture.config.columns import declared_columns, partition_name_problems, table_problems
from streamjoin.capture.config.tables import ALL_OTHERS, DAY_OF_CHANGE
from streamjoin.config.problems import dotted
from streamjoin.config.sink_stages import letters_catalogued


def backfill_problems(config: BackfillConfig) -> list[str]:
    """Return what is wrong across the keys of `config`."""
    found = [*_source(config), *_where(config.where)]
    tables = config.tables or []
    if len(tables) > 1:
        found.append(f"tables: found {len(tables)} of them; allowed: exactly one, and a job for each")
    for index, table in enumerate(tables):
        at = f"tables[{index}]"
        found += [*_table(config, table, at), *table_problems(table, at), *_fixed_partition(table, at)]
    names = tuple(f"{table.sink.hudi.table_name}_dead_letters" for table in tables[:1] if table.sink.hudi.table_name)
    found += captured_catalog_problems(tables, letters_catalogued(config.dead_letters, names))
    places = {f"tables[{index}].sink.hudi.base_path": table.sink.hudi.base_path for index, table in enumerate(tables)}
    places["dead_letters.base_path"] = config.dead_letters.base_path
    return [*found, *place_problems({key: path for key, path in places.items() if path is not None})]


def _source(config: BackfillConfig) -> Iterator[str]:
    source = config.source
    if source.dynamodb_table is None and source.dynamodb_export is None:
        yield "source: found neither dynamodb_table nor dynamodb_export; give one of them"
    if source.dynamodb_table is not None and source.dynamodb_export is not None:
        yield "source: found both dynamodb_table and dynamodb_export; give one of them"


def _where(where: WhereSettings | None) -> Iterator[str]:
    if not isinstance(where, WhereSettings):
        return
    lower = [("after", where.after), ("from", where.from_)]
    upper = [("before", where.before), ("until", where.until)]
    for (one, first), (two, second) in (lower, upper):
        if first is not None and second is not None:
            yield f"where: found both {one} and {two}; give one of them"
    given = [(key, value) for key, value in (*lower, *upper) if value is not None]
    if not given:
        yield "where: found none of before, until, after and from; give one or two of them, or leave where out"
    for low, start in lower:
        for high, end in upper:
            if isinstance(start, Watermark) and isinstance(end, Watermark) and _is_empty(start, low, end, high):
                yield f"where: no moment is both {low} {start} and {high} {end}; the first must be the earlier"


def _is_empty(start: Watermark, low: str, end: Watermark, high: str) -> bool:
    return start.us > end.us or (start.us == end.us and (low, high) != ("from", "until"))


def _table(config: BackfillConfig, table: BackfillTableSettings, at: str) -> Iterator[str]:
    source = config.source.dynamodb_table
    if table.table_name == ALL_OTHERS:
        yield f"{at}.table_name: found '{ALL_OTHERS}', a template of job: capture; allowed: the name of one table"
        return
    yield from template_problems(table, at)
    if source is None or source.table_name is None or table.table_name is None:
        return
    if source.table_name != table.table_name:
        yield (
            f"{at}.table_name: found '{table.table_name}', but source.dynamodb_table reads '{source.table_name}'; "
            "give both the same name"
        )


def _fixed_partition(table: BackfillTableSettings, at: str) -> Iterator[str]:
    """Yield what is wrong with the partition that all rows of a backfill go to."""
    fixed = table.fixed_partition
    if not isinstance(fixed, Mapping) or not fixed:
        return
    levels = [partition.name for partition in table.sink.hudi.partition_by or []]
    by = "sink.hudi.partition_by has"
    if table.layout == "changelog" and table.sink.hudi.partition_by == []:
        levels, by = [DAY_OF_CHANGE], "a changelog without partition_by has"
    if levels and None not in levels and levels != list(fixed):
        yield (
            f"{at}.fixed_partition: found the levels {', '.join(fixed)}, but {by} {', '.join(levels)}; allowed: the "
            "same, in the same order"
        )
    columns = declared_columns(table)
    for name, value in fixed.items():
        key = f"{at}.{dotted(('fixed_partition', name))}"
        yield from partition_name_problems(table, name, key)
        other = columns.like(name)
        if other:
            yield f"{key}: the column '{name}' is that of {other.origin} already; use another name"
        if not value.isprintable():
            yield f"{key}: found control characters; allowed: text that can be the name of a folder"
