"""Which columns events have from stage to stage, and which keys of a configuration name one that isn't there."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from streamjoin.config.catalog_stages import comment_problems
from streamjoin.config.problems import Unset, dotted
from streamjoin.config.stage_columns import TIME_TYPES, Column, Columns
from streamjoin.config.stages import ReferenceSettings
from streamjoin.config.values import did_you_mean, reserved_problem
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.config.rewriting import rewriting_problems
from streamjoin.enrich.config.sql_names import JAVA_FUNCTIONS, calls_java
from streamjoin.enrich.config.versions import named_versions, version_problems
from streamjoin.errors import ConfigError
from streamjoin.schema.names import STORABLE_NAME, nested_problems

# Of the table, beside the output.
_OWN_COLUMNS: Final = frozenset({"_ordering_us", "_sequence_number"})
_ORDERED: Final = {*TIME_TYPES, pa.int16(), pa.int8()}


def column_problems(config: EnrichConfig, payload_schema: pa.Schema | None) -> list[str]:
    """Return what is wrong with the columns that `config` names.

    Args:
        config: A configuration, or a draft of one.
        payload_schema: The events' columns. Default: those that the configuration declares, if it does.
    """
    later = {name: key for _, name, key in named_versions(config)}
    columns = Columns(later)
    found = [
        *_payload(config, payload_schema, columns),
        *_joins(config, columns),
        *_derive(config, columns),
    ]
    output = Columns(later)
    found += _output(config, columns, output)
    found += _record_key(config, columns, output)
    found += _ordering(config, columns)
    found += _partitions(config, columns, output)
    found += version_problems(config, columns, output)
    found += comment_problems(config.sink.hudi.glue, output, _OWN_COLUMNS, "sink.hudi")
    return [*found, *_names(output), *rewriting_problems(config, columns)]


def _payload(config: EnrichConfig, payload_schema: pa.Schema | None, columns: Columns) -> Iterator[str]:
    schema = payload_schema or config.payload.schema_
    if not isinstance(schema, pa.Schema):
        columns.complete = False
        return
    for field in schema:
        reserved = reserved_problem(field.name)
        if reserved:
            yield f"payload.schema: {reserved}"
        columns.add(Column(field.name, field.type, "the payload", "payload.schema"))


def _joins(config: EnrichConfig, columns: Columns) -> Iterator[str]:
    if config.references is None:
        columns.complete = False
    for index, reference in enumerate(config.references or []):
        at = f"references[{index}]"
        for event_column in reference.on or {}:
            key = dotted(("references", index, "on", event_column))
            missing = columns.missing(event_column)
            found = columns.get(event_column)
            if missing:
                yield f"{key}: no such column where {at} is joined{_hint(config, event_column)}; {missing}"
            elif found and found.is_nested:
                yield f"{key}: found a column of type {found.kind}; allowed: a column of a simple type"
        yield from _attributes(reference, at)
        if reference.columns is None:
            columns.complete = False
        types = reference.schema_ if isinstance(reference.schema_, pa.Schema) else pa.schema([])
        known = {field.name: field.type for field in types}
        for attribute, name in (reference.columns or {}).items():
            key = dotted(("references", index, "columns", attribute))
            other = columns.like(name)
            if other:
                yield (
                    f"{key}: the column '{other.name}' is one of {other.origin} already ({other.key}); "
                    f"give it another name: {{{attribute}: {_free_name(reference, name, columns)}}}"
                )
            else:
                columns.add(Column(name, known.get(attribute), f"reference '{reference.name or at}'", key))


def _hint(config: EnrichConfig, name: str) -> str:
    if name in (config.output.derive or {}):
        return " (output.derive runs after the joins)"
    for index, reference in enumerate(config.references or []):
        if name in (reference.columns or {}).values():
            return f" (references[{index}] gives it, which is joined no earlier)"
    return ""


def _free_name(reference: ReferenceSettings, name: str, columns: Columns) -> str:
    free = f"{reference.name or 'reference'}_{name}"
    while columns.like(free):
        free += "_"
    return free


def _attributes(reference: ReferenceSettings, at: str) -> Iterator[str]:
    if not isinstance(reference.schema_, pa.Schema):
        return
    names = reference.schema_.names
    for key, used in (("on", (reference.on or {}).values()), ("columns", (reference.columns or {}).keys())):
        for attribute in used:
            if attribute not in names:
                yield (
                    f"{at}.{key}: attribute '{attribute}' is not in {at}.schema; "
                    f"{did_you_mean(attribute, names)}allowed: {', '.join(names)}"
                )


def _derive(config: EnrichConfig, columns: Columns) -> Iterator[str]:
    derived: dict[str, str] = {}
    for name, expression in (config.output.derive or {}).items():
        key = dotted(("output", "derive", name))
        if isinstance(expression, str) and calls_java(expression):
            yield f"{key}: it calls Java, which may write anywhere; leave out {', '.join(sorted(JAVA_FUNCTIONS))}"
        other = columns.like(name)
        twin = derived.setdefault(name.lower(), name)
        if twin != name or (other and other.name != name):
            yield f"{key}: differs from '{other.name if other else twin}' in case only; use another name"
        else:
            columns.add(Column(name, None, "output.derive", key, is_new=columns.complete and other is None))
    if config.output.derive is None:
        columns.complete = False


def _output(config: EnrichConfig, columns: Columns, output: Columns) -> Iterator[str]:
    drop, select = config.output.drop, config.output.select
    if drop and select is not None:
        yield "output: found both drop and select; give one of them"
    for kind, names in (("drop", drop), ("select", select)):
        for index, name in enumerate(names if isinstance(names, list) else []):
            missing = columns.missing(name)
            if missing:
                yield f"output.{kind}[{index}]: found '{name}': no such column; {missing}"
    output.complete = columns.complete and drop is not None and not isinstance(select, Unset)
    if isinstance(select, list):
        # A name that is not known yet is there when the schema is, or a problem then.
        for name in select:
            output.add(columns.get(name) or Column(name, None, "output.select", "output.select"))
        output.complete = True
        return
    for column in columns:
        output.add(column)
    for name in drop or []:
        output.remove(name)


def _record_key(config: EnrichConfig, columns: Columns, output: Columns) -> Iterator[str]:
    for index, name in enumerate(config.sink.hudi.record_key or []):
        key = f"sink.hudi.record_key[{index}]"
        absent = _not_written(config, name, columns, output)
        found = output.get(name)
        if absent:
            yield f"{key}: {absent}"
        elif found and found.is_nested:
            yield f"{key}: found a column of type {found.kind}; allowed: a column of a simple type"


def _not_written(config: EnrichConfig, name: str, columns: Columns, output: Columns) -> str | None:
    if name in (config.output.drop or []):
        return f"found '{name}', which output.drop leaves out; allowed: a column of the output"
    missing = columns.missing(name)
    if missing:
        return f"found '{name}': no such column; {missing}"
    if isinstance(config.output.select, list) and not output.get(name):
        return f"found '{name}', which output.select leaves out; allowed: a column of the output"
    return None


def _ordering(config: EnrichConfig, columns: Columns) -> Iterator[str]:
    ordering, at = config.sink.hudi.ordering, "sink.hudi.ordering"
    if ordering is None or ordering.column is None:
        return
    missing, found = columns.missing(ordering.column), columns.get(ordering.column)
    if missing:
        yield f"{at}.column: found '{ordering.column}': no such column; {missing}"
    elif found and found.type is not None:
        if ordering.format is not None and found.type != pa.string():
            what = f"column '{ordering.column}' is of type {found.kind}"
            yield f"{at}.format: {what}; a format is for text only: leave it out"
        elif found.type not in _ORDERED:
            yield f"{at}.column: found a column of type {found.kind}; allowed: an integer, a date, a timestamp, or text"


def _partitions(config: EnrichConfig, columns: Columns, output: Columns) -> Iterator[str]:
    taken: dict[str, int] = {}
    for index, partition in enumerate(config.sink.hudi.partition_by or []):
        at, name = f"sink.hudi.partition_by[{index}]", partition.name
        if partition.from_ is None and partition.format is not None:
            yield f"{at}.format: found without from; name the column that the value is made from"
        if isinstance(partition.from_, str):
            missing, found = columns.missing(partition.from_), columns.get(partition.from_)
            if missing:
                yield f"{at}.from: found '{partition.from_}': no such column; {missing}"
            elif partition.format is not None and found and found.type and found.type not in TIME_TYPES:
                yield f"{at}.format: column '{found.name}' is of type {found.kind}; allowed: a time, or no format"
        if name is None:
            continue
        first = taken.setdefault(name.lower(), index)
        if first != index:
            yield f"{at}.name: found '{name}', which is also the name of sink.hudi.partition_by[{first}]; use another"
        elif partition.from_ is None:
            absent = _not_written(config, name, columns, output)
            if absent:
                yield f"{at}.name: {absent}; or give from, the column that its value is made from"
        else:
            # A partition's column may replace its own source, but no other column.
            other = output.like(name)
            if other and other.name != partition.from_:
                yield f"{at}.name: '{other.name}' is a column of {other.origin} already; use another name"
            output.add(Column(name, pa.string(), "sink.hudi.partition_by", f"{at}.name"))


def _names(output: Columns) -> Iterator[str]:
    for column in output:
        if not STORABLE_NAME.fullmatch(column.name):
            yield (
                f"{column.key}: Hudi can't store a column named '{column.name}'; drop it, or give it a name of "
                "letters, digits and _ (a payload's column: by output.derive)"
            )
        if column.type is not None:
            for problem in nested_problems(pa.field(column.name, column.type)):
                yield f"{column.key}: {problem}; drop the column, or declare '{column.name}' as string, its JSON text"


def check_columns(config: EnrichConfig, payload_schema: pa.Schema) -> None:
    """Check the columns that `config` names, once a schema from a catalog is known.

    Raises:
        ConfigError: Lists every problem.
    """
    found = column_problems(config, payload_schema)
    if found:
        raise ConfigError(found)
