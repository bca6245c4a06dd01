"""Kinesis events, joined with reference data that keeps changing in DynamoDB, upserted into Apache Hudi exactly once.

What a notebook imports::

    from streamjoin import local_session, read_kinesis, load_reference, decode, enrich, keep_latest, upsert, load_config
    from streamjoin import foreach_batch

Names are imported on first use: `streamjoin query` needs no Spark, and must not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamjoin.enrich.join import enrich
    from streamjoin.enrich.notebook import load_reference, read_kinesis, upsert
    from streamjoin.enrich.order import keep_latest
    from streamjoin.entry import foreach_batch, load_config
    from streamjoin.records.decode import decode
    from streamjoin.spark.session import local_session

_MODULES = {
    "decode": "streamjoin.records.decode",
    "enrich": "streamjoin.enrich.join",
    "foreach_batch": "streamjoin.entry",
    "keep_latest": "streamjoin.enrich.order",
    "load_config": "streamjoin.entry",
    "load_reference": "streamjoin.enrich.notebook",
    "local_session": "streamjoin.spark.session",
    "read_kinesis": "streamjoin.enrich.notebook",
    "upsert": "streamjoin.enrich.notebook",
}
__version__ = "0.1.0"
__all__ = [
    "decode",
    "enrich",
    "foreach_batch",
    "keep_latest",
    "load_config",
    "load_reference",
    "local_session",
    "read_kinesis",
    "upsert",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    message = f"module 'streamjoin' has no attribute '{name}'"
    raise AttributeError(message)
