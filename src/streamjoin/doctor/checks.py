"""All checks, in the order in which they are shown; docs/doctor.md lists them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Final

from streamjoin.doctor import (
    backfilling,
    catalog,
    locks,
    machine,
    permissions,
    places,
    references,
    stream,
    tables,
)
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, unknown
from streamjoin.errors import AwsSettingsError, ConfigError, StreamJoinError
from streamjoin.process import REMEDIES

_READERS: Final = ("enrich", "capture")
_WRITERS: Final = ("enrich", "capture", "backfill")
_ALL: Final = (*_WRITERS, "replicate")
# Whatever a service or a disk does: the other checks go on. The last ones mean that an answer isn't as documented.
_ANY: Final = (*FAILURES, OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Check:
    """One concern.

    Args:
        group: Under which heading it is shown.
        name: What it is called.
        jobs: The jobs that have it.
        run: Yields what it finds.
    """

    group: str
    name: str
    jobs: tuple[str, ...]
    run: Callable[[Context], Iterator[Finding]]


def _of_replication(name: str) -> Callable[[Context], Iterator[Finding]]:
    """Return a check that needs the client of MySQL, which is an extra."""

    def run(context: Context) -> Iterator[Finding]:
        yield from getattr(import_module("streamjoin.doctor.replication"), name)(context)

    return run


CHECKS: Final = (
    Check("machine", "versions", _ALL, machine.versions),
    Check("machine", "clock", _ALL, machine.clock),
    Check("source", "stream", _READERS, stream.stream),
    Check("source", "retention", _READERS, stream.retention),
    Check("source", "read limit", _READERS, stream.reading),
    Check("source", "references", ("enrich",), references.references),
    Check("source", "source", ("backfill",), backfilling.source),
    Check("source", "server", ("replicate",), _of_replication("server")),
    Check("target", "target tables", ("replicate",), _of_replication("targets")),
    Check("target", "places", _ALL, places.places),
    Check("target", "table", _WRITERS, tables.properties),
    Check("target", "readers", _WRITERS, tables.readers),
    Check("target", "files", _WRITERS, tables.files),
    Check("target", "catalog", _WRITERS, catalog.catalog),
    Check("target", "locks", _WRITERS, locks.locks),
    Check("target", "lease", ("replicate",), _of_replication("control")),
    Check("permissions", "permissions", _ALL, permissions.permissions),
)


def examine(context: Context, begin: Callable[[str], None] = lambda name: None) -> Iterator[tuple[Check, Finding]]:
    """Run each check of the job, one after the other; yield it with what it finds.

    Writes nothing but the probes of `places`, each deleted again. What one check can't do is a line of its own.

    Args:
        context: What is looked at.
        begin: Called with the name of each check before it runs.
    """
    for check in CHECKS:
        if context.config.job in check.jobs:
            begin(check.name)
            yield from ((check, each) for each in findings_of(check, context))


def findings_of(check: Check, context: Context) -> Iterator[Finding]:
    """Yield what a check finds; if it fails, that too."""
    try:
        yield from check.run(context)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        yield unknown(check.name, f"'{package}' isn't installed here", f"{REMEDIES.get(package, 'Install it')}.")
    except AwsSettingsError as error:
        yield _failed(check, error)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding.of_error(check.name, StreamJoinError(problem), remedy="Correct the file that it names.")
    except _ANY as error:
        yield _failed(check, error)


def _failed(check: Check, error: Exception) -> Finding:
    found = Finding.of_error("", error)
    return found if found.what else replace(found, what=check.name)
