"""The timeline, as the ledger compares itself with it."""

from streamjoin.hudi.timeline import Timeline

__all__ = ["Timeline"]
