"""Hudi's own options: which of them streamjoin sets itself, and which would reach beyond the table."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from streamjoin.config.values import refuse

_ALWAYS: Final = "it is not a choice: streamjoin's guarantees depend on it"
_RECORD_KEY: Final = "set sink.hudi.record_key instead"
_ORDERING: Final = "set sink.hudi.ordering instead"
_PARTITION: Final = "set sink.hudi.partition_by instead"
_KEY_GENERATOR: Final = "it follows from sink.hudi.record_key and sink.hudi.partition_by"
_TABLE_NAME: Final = "set sink.hudi.table_name instead"
_TABLE_TYPE: Final = "set sink.hudi.table_type instead"
_SERVICES: Final = "sink.hudi.table_services says who sees to the table"
_INSTEAD: Final = {
    "hoodie.allow.empty.commit": _ALWAYS,
    "hoodie.auto.commit": _ALWAYS,
    "hoodie.archive.async": _SERVICES,
    "hoodie.base.path": "set sink.hudi.base_path instead",
    "hoodie.clean.async": _SERVICES,
    "hoodie.clean.async.enabled": _SERVICES,
    "hoodie.clean.failed.writes.policy": _ALWAYS,
    "hoodie.cleaner.policy.failed.writes": _ALWAYS,
    "hoodie.clustering.async.enabled": _SERVICES,
    "hoodie.clustering.schedule.inline": _SERVICES,
    "hoodie.combine.before.insert": _ALWAYS,
    "hoodie.combine.before.upsert": _ALWAYS,
    "hoodie.compact.schedule.inline": _SERVICES,
    "hoodie.compaction.payload.class": _ALWAYS,
    "hoodie.compaction.record.merger.strategy": _ALWAYS,
    "hoodie.database.name": "set sink.hudi.database instead",
    "hoodie.datasource.clustering.async.enable": _SERVICES,
    "hoodie.datasource.clustering.inline.enable": _SERVICES,
    "hoodie.datasource.compaction.async.enable": _SERVICES,
    "hoodie.datasource.insert.dup.policy": _ALWAYS,
    "hoodie.datasource.write.commitmeta.key.prefix": _ALWAYS,
    "hoodie.datasource.write.hive_style_partitioning": _ALWAYS,
    "hoodie.datasource.write.insert.drop.duplicates": _ALWAYS,
    "hoodie.datasource.write.keygenerator.class": _KEY_GENERATOR,
    "hoodie.datasource.write.keygenerator.type": _KEY_GENERATOR,
    "hoodie.datasource.write.operation": _ALWAYS,
    "hoodie.datasource.write.partitionpath.field": _PARTITION,
    "hoodie.datasource.write.partitionpath.urlencode": _ALWAYS,
    "hoodie.datasource.write.payload.class": _ALWAYS,
    "hoodie.datasource.write.precombine.field": _ORDERING,
    "hoodie.datasource.write.record.merge.mode": _ALWAYS,
    "hoodie.datasource.write.record.merger.impls": _ALWAYS,
    "hoodie.datasource.write.record.merger.strategy": _ALWAYS,
    "hoodie.datasource.write.recordkey.field": _RECORD_KEY,
    "hoodie.datasource.write.row.writer.enable": _ALWAYS,
    "hoodie.datasource.write.storage.type": _TABLE_TYPE,
    "hoodie.datasource.write.table.name": _TABLE_NAME,
    "hoodie.datasource.write.table.type": _TABLE_TYPE,
    "hoodie.file.group.reader.enabled": _ALWAYS,
    "hoodie.log.compaction.inline": _SERVICES,
    "hoodie.metadata.enable": _ALWAYS,
    "hoodie.partition.ttl.inline": _SERVICES,
    "hoodie.payload.ordering.field": _ORDERING,
    "hoodie.populate.meta.fields": _ALWAYS,
    "hoodie.record.merge.mode": _ALWAYS,
    "hoodie.record.merge.strategy.id": _ALWAYS,
    "hoodie.rollback.using.markers": _ALWAYS,
    "hoodie.table.keygenerator.class": _KEY_GENERATOR,
    "hoodie.table.keygenerator.type": _KEY_GENERATOR,
    "hoodie.table.name": _TABLE_NAME,
    "hoodie.table.ordering.fields": _ORDERING,
    "hoodie.table.partition.fields": _PARTITION,
    "hoodie.table.precombine.field": _ORDERING,
    "hoodie.table.recordkey.fields": _RECORD_KEY,
    "hoodie.table.services.enabled": _SERVICES,
    "hoodie.table.timeline.timezone": _ALWAYS,
    "hoodie.table.type": _TABLE_TYPE,
    "hoodie.table.version": _ALWAYS,
    "hoodie.timeline.layout.version": _ALWAYS,
    "hoodie.write.auto.upgrade": _ALWAYS,
    "hoodie.write.record.merge.custom.implementation.classes": _ALWAYS,
    "hoodie.write.record.merge.mode": _ALWAYS,
    "hoodie.write.record.merge.strategy.id": _ALWAYS,
    "hoodie.write.table.version": _ALWAYS,
}

OWNED_HUDI_OPTIONS: Final = frozenset(_INSTEAD)

_CATALOG: Final = "would write to a catalog; sink.hudi.catalog says where the table is entered"
_LOCK: Final = "is about several writers; one job writes a table, and holds streamjoin's own lock"
_CLASS: Final = "names code that Hudi would load; no configuration may"
_FOLDER: Final = "names a place that Hudi would write to or read; all of a table stays below sink.hudi.base_path"
_ADDRESS: Final = "names a service that Hudi would call; no configuration may"
# Whole families, whatever their options are called.
_FAMILIES: Final = {
    "hoodie.aws.": "is about access to AWS; region and credentials are those of the SDK",
    "hoodie.bootstrap.": "makes a table of files from elsewhere, which streamjoin doesn't do",
    "hoodie.datahub.": _CATALOG,
    "hoodie.datasource.hive_sync.": _CATALOG,
    "hoodie.datasource.meta.sync.": _CATALOG,
    "hoodie.datasource.meta_sync.": _CATALOG,
    "hoodie.deltastreamer.": "is of Hudi Streamer, which isn't used",
    "hoodie.errortable.": "is about rejected records; dead_letters.base_path says where they go",
    "hoodie.filesystem.view.": "is about where Hudi keeps its list of files; it stays in memory",
    "hoodie.gcp.": _CATALOG,
    "hoodie.index.hbase.": _ADDRESS,
    "hoodie.meta.sync.": _CATALOG,
    "hoodie.meta_sync.": _CATALOG,
    "hoodie.metaserver.": _ADDRESS,
    "hoodie.metrics.": "lets Hudi report to other services; set metrics instead",
    "hoodie.precommit.validators": _CLASS,
    "hoodie.streamer.": "is of Hudi Streamer, which isn't used",
    "hoodie.table.service.manager.": _ADDRESS,
    "hoodie.write.commit.callback.": "lets Hudi call a service after each commit; no configuration may",
    "hoodie.write.concurrency.": _LOCK,
    "hoodie.write.lock.": _LOCK,
}
# Those that load a class by its name, without a word that says so.
_CLASSES: Final = frozenset(
    {
        "hoodie.clustering.updates.strategy",
        "hoodie.compaction.plan.generator",
        "hoodie.compaction.strategy",
        "hoodie.filesystem.operation.retry.exceptions",
    }
)
_WORDS: Final = {
    **dict.fromkeys(("class", "classes", "impl", "impls", "provider", "supplier"), _CLASS),
    **dict.fromkeys(("dir", "directory", "folder", "location", "path", "paths"), _FOLDER),
    **dict.fromkeys(("address", "endpoint", "host", "jdbcurl", "port", "uri", "uris", "url", "urls"), _ADDRESS),
    **dict.fromkeys(
        ("credentials", "password", "secret", "token"), "is a secret, which has no place in a configuration"
    ),
}
# In these the words mean something else: the path of a partition lies below the table, the port is our own.
_HARMLESS: Final = re.compile(
    r"hoodie\.([a-z]+\.)+update\.partition\.path|hoodie\.compaction\.partition\.path\.regex|hoodie\.embed\.timeline\.server\.port"
)


# What a captured table has no key for.
_OF_CHANGES: Final = {
    _RECORD_KEY: "rows are known by the item's own key, or by their change",
    _ORDERING: "changes are ordered by their own time and sequence number",
    _KEY_GENERATOR: "it follows from sink.hudi.partition_by",
}


def _option_name(name: str) -> str:
    return _checked(name, _INSTEAD)


def _option_name_of_changes(name: str) -> str:
    return _checked(name, {option: _OF_CHANGES.get(instead, instead) for option, instead in _INSTEAD.items()})


def _checked(name: str, instead: Mapping[str, str]) -> str:
    if name in instead:
        refuse(f"this option is set by streamjoin; {instead[name]}")
    # To Spark names are equal that differ in upper and lower case alone: the other would replace ours, unknown to Hudi.
    if not re.fullmatch(r"hoodie(\.[a-z0-9_-]+)+", name):
        refuse("allowed: options of Hudi, whose names start with hoodie. and are in lower case")
    reason = _reaches_out(name)
    if reason:
        refuse(f"this option {reason}")
    return name


def _reaches_out(name: str) -> str | None:
    """Return why an option is refused that would let Hudi act outside of the table; None: it would not."""
    for family, reason in _FAMILIES.items():
        if name.startswith(family):
            return reason
    if name in _CLASSES:
        return _CLASS
    if _HARMLESS.fullmatch(name):
        return None
    return next((_WORDS[word] for word in re.split(r"[._-]", name) if word in _WORDS), None)


_COUNTS: Final = (
    "hoodie.compact.inline.max.delta.commits",
    "hoodie.clean.max.commits",
    "hoodie.keep.max.commits",
    "hoodie.compaction.target.io",
)
_SWITCHES: Final = ("hoodie.compact.inline", "hoodie.clean.automatic", "hoodie.archive.automatic")
_JOINING: Final = "hoodie.clustering.inline"


def service_problems(options: Mapping[str, str] | None, table_services: str | None, at: str) -> Iterator[str]:
    """Yield what of the options about services can't be, or contradicts who sees to them.

    Args:
        options: Those of a table, or of a draft.
        table_services: Who does.
        at: The key of the table's settings.
    """
    given = options or {}
    for name in _COUNTS:
        if name in given and not re.fullmatch(r"0*[1-9][0-9]{0,8}", given[name]):
            yield f"{at}.options['{name}']: found '{given[name]}'; allowed: a whole number from 1 on"
    for name in _SWITCHES:
        if table_services == "maintain" and given.get(name, "true").lower() == "false":
            yield (
                f"{at}.options['{name}']: found '{given[name]}' with table_services: maintain, so that nothing would "
                "do it; leave one of the two out"
            )
    if given.get(_JOINING, "false").lower() != "true":
        return
    if table_services == "maintain":
        yield (
            f"{at}.options['{_JOINING}']: found '{given[_JOINING]}' with table_services: maintain, which joins small "
            "files without it; leave it out"
        )
    elif given.get("hoodie.index.type", "BUCKET").upper() == "BUCKET":
        yield (
            f"{at}.options['{_JOINING}']: found '{given[_JOINING]}'; under a bucket index each bucket is one file, and "
            "none can be joined with another; leave it out"
        )


HudiOptionName = Annotated[str, AfterValidator(_option_name)]
CaptureOptionName = Annotated[str, AfterValidator(_option_name_of_changes)]
