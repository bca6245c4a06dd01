"""What spans several keys of a configuration: two that exclude each other, paths that must differ, columns that exist.

Every check takes a configuration that may have holes: a value with a problem of its own is None there (`Unset` where
None has a meaning), and checks that need it say nothing. So all problems are found in one go, and none twice.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pyspark.sql.types import StructType

from streamjoin.config.paths import overlap
from streamjoin.config.problems import Unset, nested_model, shown
from streamjoin.config.stages import EnrichConfig, KinesisSettings, ReferenceSettings
from streamjoin.enrich.config.columns import column_problems
from streamjoin.enrich.config.payload_checks import payload_problems


def draft(model: type[BaseModel], values: object) -> Any:
    """Return a `model` of what is valid in `values`; what is left out has its default, all else is a hole."""
    # Only a partition's name stands alone.
    given = values if isinstance(values, Mapping) else {"name": values}
    parts = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = nested_model(field.annotation)
        if key in given:
            parts[name] = _valid(field, inner, given[key])
        elif field.is_required():
            parts[name] = draft(inner, {}) if inner else None
        else:
            parts[name] = field.get_default(call_default_factory=True)
    # A check may ask what was given, whatever it says.
    return model.model_construct({n for n, field in model.model_fields.items() if (field.alias or n) in given}, **parts)


def _valid(field: FieldInfo, inner: type[BaseModel] | None, value: object) -> object:
    whole: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return TypeAdapter(whole).validate_python(value)
    except ValidationError:
        if inner is None:
            return Unset() if field.default is None else None
        if get_origin(field.annotation) is not list:
            return draft(inner, value)
        return [draft(inner, element) for element in value] if isinstance(value, list) else None


def problems(config: EnrichConfig, payload_schema: StructType | None = None) -> list[str]:
    """Return what is wrong across the keys of `config`.

    Args:
        config: The configuration, or a draft of it.
        payload_schema: The events' columns, where the configuration only names a catalog table.
    """
    return [
        *kinesis_problems(config.source.kinesis),
        *payload_problems(config.payload),
        *_references(config),
        *_paths(config),
        *column_problems(config, payload_schema),
    ]


def kinesis_problems(kinesis: KinesisSettings) -> Iterator[str]:
    """Yield what is wrong across the keys of `source.kinesis`, which may be a draft."""
    at = "source.kinesis"
    if kinesis.stream_name is None and kinesis.stream_arn is None:
        yield f"{at}: found neither stream_name nor stream_arn; give one of them"
    if kinesis.stream_name is not None and kinesis.stream_arn is not None:
        yield f"{at}: found both stream_name and stream_arn; give one of them"
    if isinstance(kinesis.stream_arn, str) and isinstance(kinesis.region, str):
        named = kinesis.stream_arn.split(":")[3]
        if named != kinesis.region:
            yield f"{at}.region: found '{kinesis.region}', but stream_arn names '{named}'; leave region out"
    if kinesis.starting_position == "AT_TIMESTAMP" and kinesis.timestamp is None:
        yield f"{at}.timestamp: missing; starting_position AT_TIMESTAMP needs it, such as 2026-01-31T00:00:00Z"
    if kinesis.starting_position in ("TRIM_HORIZON", "LATEST") and kinesis.timestamp is not None:
        yield f"{at}.timestamp: allowed with AT_TIMESTAMP only; found {kinesis.starting_position}"


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
