"""What spans several keys of a configuration: two that exclude each other, paths that must differ, columns that exist.

Every check takes a configuration that may have holes: a value with a problem of its own is None there (`Unset` if
None has a meaning), and checks that need it say nothing. So all problems are found in one go, and none twice.
"""

from collections.abc import Iterator

import pyarrow as pa

from streamjoin.config.catalog_stages import Catalogued, GlueSettings, catalog_problems, entry_names
from streamjoin.config.hudi_options import service_problems
from streamjoin.config.paths import overlap
from streamjoin.config.problems import shown
from streamjoin.config.sink_stages import letters_catalogued
from streamjoin.config.stages import ReferenceSettings, kinesis_problems
from streamjoin.enrich.config.columns import column_problems
from streamjoin.enrich.config.delete_when import delete_problems
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.config.payload_checks import payload_problems


def problems(config: EnrichConfig, payload_schema: pa.Schema | None = None) -> list[str]:
    """Return what is wrong across the keys of `config`.

    Args:
        config: The configuration, or a draft of it.
        payload_schema: The events' columns, if the configuration only names a catalog table.
    """
    return [
        *kinesis_problems(config.source.kinesis),
        *payload_problems(config.payload),
        *_references(config),
        *_paths(config),
        *column_problems(config, payload_schema),
        *delete_problems(config),
        *service_problems(config.sink.hudi.options, config.sink.hudi.table_services, "sink.hudi"),
        *_catalog(config),
    ]


def _catalog(config: EnrichConfig) -> Iterator[str]:
    hudi, glue = config.sink.hudi, config.sink.hudi.glue
    has_tombstones = isinstance(glue, GlueSettings) and glue.tombstones
    if has_tombstones and hudi.delete_when is None:
        yield "sink.hudi.glue.tombstones: allowed with delete_when only, without which no row is deleted"
    names = entry_names(hudi.table_name, hudi.table_type, tombstones=has_tombstones)
    letters = (f"{hudi.table_name}_dead_letters",) if hudi.table_name else ()
    table = Catalogued("sink.hudi", hudi.base_path, hudi.catalog, glue, hudi.database, names)
    yield from catalog_problems([table, letters_catalogued(config.dead_letters, letters)])


def _references(config: EnrichConfig) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, reference in enumerate(config.references or []):
        at, refresh = f"references[{index}]", reference.refresh
        if reference.name is not None and first.setdefault(reference.name, index) != index:
            yield (
                f"{at}.name: found '{reference.name}', which is also the name of references[{first[reference.name]}]; "
                "give every reference its own"
            )
        if reference.columns == {} and reference.how == "left":
            yield f"{at}.columns: found none, with how: left; name a column, or set how: inner to filter events"
        yield from _modes(reference, at)
        interval, staleness = refresh.interval_seconds, refresh.max_staleness_seconds
        if interval is not None and staleness is not None and staleness < interval:
            yield (
                f"{at}.refresh.max_staleness_seconds: found {staleness:g}, less than interval_seconds, {interval:g}; "
                "allowed: at least interval_seconds"
            )


def _modes(reference: ReferenceSettings, at: str) -> Iterator[str]:
    mode, on_change, dynamodb = reference.mode, reference.on_change, reference.dynamodb
    if mode == "snapshot":
        if isinstance(dynamodb.index_name, str):
            yield f"{at}.dynamodb.index_name: allowed with mode lookup or auto only; found snapshot, which uses none"
        if isinstance(reference.max_cached_items, int):
            yield f"{at}.max_cached_items: allowed with mode lookup or auto only; found snapshot, which keeps all"
    if mode == "lookup":
        if isinstance(dynamodb.scan_segments, int):
            yield f"{at}.dynamodb.scan_segments: allowed with mode snapshot or auto only; found lookup, without scans"
        if on_change == "rewrite_rows":
            yield (
                f"{at}.on_change: found rewrite_rows with mode lookup, which reads single items: nothing tells which "
                "items changed; set mode: snapshot, or on_change: new_rows"
            )
    if on_change == "new_rows" and isinstance(reference.max_rows_per_pass, int):
        yield f"{at}.max_rows_per_pass: allowed with on_change rewrite_rows only; found new_rows"


def _paths(config: EnrichConfig) -> Iterator[str]:
    table, letters = config.sink.hudi.base_path, config.dead_letters.base_path
    how = overlap(letters, table) if table is not None and letters is not None else None
    if how:
        yield (
            f"dead_letters.base_path: found {shown(letters)}, {how} sink.hudi.base_path {shown(table)}; "
            "allowed: a path beside it"
        )
