"""The reference tables of an enrichment: whether they are there, and whether they fit how they are to be read."""

import os
from collections.abc import Iterator
from typing import Final

from streamjoin.config.stages import ReferenceSettings
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good
from streamjoin.doctor.sizes import text_bytes
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.dynamodb.table import TableDescription
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.reference.lookup.keys import index_of, looks_up, no_access, plan_lookup, require_projected
from streamjoin.reference.table import describe, unusable
from streamjoin.rendering import counted

# Measured: 1,000,000 items take about 0.6 GB of the driver; larger ones take their own size.
_ITEM_BYTES: Final = 600
_MEMORY_SHARE: Final = 0.5
_READABLE: Final = frozenset({"ACTIVE", "UPDATING"})
# A table of this size is scanned in seconds.
_SCANNED_BYTES: Final = 100 * 1024**2


def references(context: Context) -> Iterator[Finding]:
    """Look at each reference's table, keys, stream and size."""
    config = context.config
    assert isinstance(config, EnrichConfig)  # noqa: S101  (no other job has any)
    if not config.references:
        yield good("references", "none")
    for reference in config.references:
        what = f"reference '{reference.name}'"
        try:
            yield from _reference(context, reference, what)
        except FAILURES as error:
            yield Finding.of_error(what, error)


def memory_bytes() -> int:
    """Return how much memory this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _reference(context: Context, reference: ReferenceSettings, what: str) -> Iterator[Finding]:
    settings = reference.dynamodb
    table = describe(context.client("dynamodb", settings.region, settings.role_arn), settings.table_name)
    size = f"{counted(table.items, 'item')}, {text_bytes(table.size_bytes)} (as of up to six hours ago)"
    if table.status in _READABLE:
        yield good(what, f"table '{settings.table_name}' is {table.status}, {size}")
    else:
        yield bad(what, f"table '{settings.table_name}' is {table.status}", "Wait until it is ACTIVE.")
    yield from _keys(reference, table, what)
    if not looks_up(reference, table):
        yield _memory(table, what)
        try:
            yield from _following(context, reference, table, what)
        except FAILURES as error:
            yield Finding.of_error(f"{what}, changes", error)


def _keys(reference: ReferenceSettings, table: TableDescription, what: str) -> Iterator[Finding]:
    attributes, index = list(reference.on.values()), index_of(table, reference.dynamodb.index_name)
    access = plan_lookup(table, attributes, index)
    on = ", ".join(f"'{each}'" for each in attributes)
    if reference.mode == "lookup" and access is None:
        _, _, told = no_access(table, attributes, index).partition("; ")
        yield bad(f"{what}, key", *_halves(told))
        return
    if index is not None:
        require_projected(index, table.table_name, {*attributes, *reference.columns})
    unique = access is not None and access.is_unique
    of = "the table's primary key" if unique else "no whole primary key: of several items with one, the first counts"
    yield good(f"{what}, key", f"{on} is {of}")


def _following(context: Context, reference: ReferenceSettings, table: TableDescription, what: str) -> Iterator[Finding]:
    settings, why = reference.dynamodb, unusable(table)
    every = f"it is scanned whole every {reference.refresh.interval_seconds:g} s"
    if reference.refresh.follow == "scan":
        yield good(f"{what}, changes", every)
    elif why is None and table.stream_arn is not None:
        streams = context.client("dynamodbstreams", settings.region, settings.role_arn)
        TableStream(streams, table.stream_arn, table_name=settings.table_name).start_at_tip()
        yield good(f"{what}, changes", f"followed by its stream, view type {table.stream_view_type}")
    else:
        enabling = (
            f"Enable a stream: aws dynamodb update-table --table-name {settings.table_name} --stream-specification "
            "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
        )
        is_small = table.size_bytes <= _SCANNED_BYTES
        yield (good if is_small else bad)(f"{what}, changes", f"{why}, so that {every}", enabling)


def _memory(table: TableDescription, what: str) -> Finding:
    needed, there = round(table.items * max(_ITEM_BYTES, table.item_bytes)), memory_bytes()
    found = f"mode snapshot takes about {text_bytes(needed)} of the driver; this machine has {text_bytes(there)}"
    if needed > there * _MEMORY_SHARE:
        return bad(
            f"{what}, memory",
            found,
            "Set mode: lookup, for which `on` has to be a key of the table or of an index; or take a larger driver.",
        )
    return good(f"{what}, memory", found)


def _halves(text: str) -> tuple[str, str]:
    found, _, remedy = text.partition(". ")
    return found, remedy
