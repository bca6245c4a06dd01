"""The timeline, as the ledger compares itself with it."""

from streamjoin.sinks.timeline import Timeline

__all__ = ["Timeline"]
