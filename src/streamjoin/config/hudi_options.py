"""Hudi's own options that streamjoin sets itself, and the key of the configuration that says the same."""

from typing import Annotated, Final

from pydantic import AfterValidator

from streamjoin.config.values import refuse

_ALWAYS: Final = "it is not a choice: streamjoin's guarantees depend on it"
_RECORD_KEY: Final = "set sink.hudi.record_key instead"
_ORDERING: Final = "set sink.hudi.ordering instead"
_PARTITION: Final = "set sink.hudi.partition_by instead"
_KEY_GENERATOR: Final = "it follows from sink.hudi.record_key and sink.hudi.partition_by"
_INSTEAD: Final = {
    "hoodie.base.path": "set sink.hudi.base_path instead",
    "hoodie.combine.before.insert": _ALWAYS,
    "hoodie.combine.before.upsert": _ALWAYS,
    "hoodie.compaction.payload.class": _ALWAYS,
    "hoodie.database.name": "set sink.hudi.database instead",
    "hoodie.datasource.write.commitmeta.key.prefix": _ALWAYS,
    "hoodie.datasource.write.hive_style_partitioning": _ALWAYS,
    "hoodie.datasource.write.keygenerator.class": _KEY_GENERATOR,
    "hoodie.datasource.write.keygenerator.type": _KEY_GENERATOR,
    "hoodie.datasource.write.operation": _ALWAYS,
    "hoodie.datasource.write.partitionpath.field": _PARTITION,
    "hoodie.datasource.write.partitionpath.urlencode": _ALWAYS,
    "hoodie.datasource.write.payload.class": _ALWAYS,
    "hoodie.datasource.write.precombine.field": _ORDERING,
    "hoodie.datasource.write.record.merge.mode": _ALWAYS,
    "hoodie.datasource.write.recordkey.field": _RECORD_KEY,
    "hoodie.datasource.write.table.name": "set sink.hudi.table_name instead",
    "hoodie.datasource.write.table.type": "set sink.hudi.table_type instead",
    "hoodie.metadata.enable": _ALWAYS,
    "hoodie.payload.ordering.field": _ORDERING,
    "hoodie.record.merge.mode": _ALWAYS,
    "hoodie.table.keygenerator.class": _KEY_GENERATOR,
    "hoodie.table.keygenerator.type": _KEY_GENERATOR,
    "hoodie.table.name": "set sink.hudi.table_name instead",
    "hoodie.table.ordering.fields": _ORDERING,
    "hoodie.table.partition.fields": _PARTITION,
    "hoodie.table.precombine.field": _ORDERING,
    "hoodie.table.recordkey.fields": _RECORD_KEY,
    "hoodie.table.type": "set sink.hudi.table_type instead",
    "hoodie.table.version": _ALWAYS,
    "hoodie.write.auto.upgrade": _ALWAYS,
    "hoodie.write.record.merge.mode": _ALWAYS,
    "hoodie.write.table.version": _ALWAYS,
}

OWNED_HUDI_OPTIONS: Final = frozenset(_INSTEAD)


def _option_name(name: str) -> str:
    if name in _INSTEAD:
        refuse(f"this option is set by streamjoin; {_INSTEAD[name]}")
    if not name.startswith("hoodie.") or name == "hoodie.":
        refuse("allowed: options of Hudi, whose names start with hoodie.")
    return name


HudiOptionName = Annotated[str, AfterValidator(_option_name)]
