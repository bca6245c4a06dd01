"""The columns in which a row keeps the version of each reference that it was joined with."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from streamjoin.config.problems import dotted
from streamjoin.config.stage_columns import Column, Columns
from streamjoin.config.values import did_you_mean
from streamjoin.enrich.config.enrich import EnrichConfig

_KEY = "output.reference_version"


def version_columns(config: EnrichConfig) -> dict[str, str]:
    """Return name of the reference -> column (bigint) with its version, in the order of the references.

    They are added to finished rows, after `drop` and `select`.
    """
    given = {reference: name for reference, name, _ in named_versions(config) if reference is not None}
    return {reference.name: given[reference.name] for reference in config.references if reference.name in given}


def named_versions(config: EnrichConfig) -> list[tuple[str | None, str, str]]:
    """Return reference, column and key of each that `config` names, also of one that doesn't fit.

    The reference is None if a bare name doesn't say which.
    """
    named = config.output.reference_version
    if isinstance(named, str):
        references = config.references or []
        return [(references[0].name if len(references) == 1 else None, named, _KEY)]
    if not isinstance(named, Mapping):
        return []
    return [(reference, name, dotted(("output", "reference_version", reference))) for reference, name in named.items()]


def version_problems(config: EnrichConfig, columns: Columns, output: Columns) -> Iterator[str]:
    """Return what is wrong with `output.reference_version`, and add its columns to `output`.

    Args:
        config: The configuration, or a draft of it.
        columns: The columns that an event has in the end.
        output: Those of the table.
    """
    if config.references is not None:
        yield from _references(config)
    added: dict[str, Column] = {}
    for _, name, key in named_versions(config):
        # A dropped column counts too: it is beside the new one until rows are finished.
        other = added.get(name.lower()) or columns.like(name) or _partition(name, output)
        if other:
            yield f"{key}: the column '{other.name}' is one of {other.origin} already ({other.key}); use another name"
            continue
        added[name.lower()] = Column(name, pa.int64(), _KEY, key)
    for column in added.values():
        output.add(column)


def _references(config: EnrichConfig) -> Iterator[str]:
    named = config.output.reference_version
    names = [reference.name for reference in config.references]
    if isinstance(named, str) and not names:
        yield f"{_KEY}: found '{named}', but there are no references; leave it out"
    elif isinstance(named, str) and len(names) > 1:
        mapping = ", ".join(f"{name}: {named}_{name}" for name in names[:2])
        yield (
            f"{_KEY}: found '{named}', but there are {len(names)} references; give the mapping {{reference: column}}, "
            f"such as {{{mapping}}}"
        )
    elif isinstance(named, Mapping) and None not in names:
        for reference in named:
            if reference not in names:
                allowed = ", ".join(names) if names else "nothing, for there are no references; leave it out"
                yield (
                    f"{dotted(('output', 'reference_version', reference))}: no such reference; "
                    f"{did_you_mean(reference, names)}allowed: {allowed}"
                )


def _partition(name: str, output: Columns) -> Column | None:
    found = output.like(name)
    return found if found and found.origin == "sink.hudi.partition_by" else None
