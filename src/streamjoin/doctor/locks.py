"""Who holds what the job will have to lock."""

from collections.abc import Iterator

from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture.backfill_note import FOLDER
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good, unknown
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.lock.view import LockView, look


def locks(context: Context) -> Iterator[Finding]:
    """Look at each lock that a start takes."""
    config = context.config
    for what, path in _places(context):
        try:
            yield _finding(f"lock of {what}", look(path), config.name)
        except FAILURES as error:
            yield Finding.of_error(f"lock of {what}", error)


def lease(context: Context, view: LockView) -> Finding:
    """Return what the lease in a control table says."""
    return _finding("lease", view, context.config.name)


def _places(context: Context) -> Iterator[tuple[str, str]]:
    config = context.config
    if isinstance(config, EnrichConfig):
        yield "the table", config.sink.hudi.base_path
    elif isinstance(config, CaptureConfig):
        yield "the journal", journal_path(config)
    elif isinstance(config, BackfillConfig):
        yield "the backfill", f"{config.tables[0].sink.hudi.base_path}/{FOLDER}/backfill"
        # Held for the length of a commit alone.
        return
    else:
        return
    yield "the dead letters", config.dead_letters.base_path


def _finding(what: str, view: LockView, job: str) -> Finding:
    if view.holder is None:
        return good(what, "free")
    found = f"held by {view.holder}: {view.evidence}"
    if view.is_alive is None:
        return unknown(what, found, "See on that machine whether the process runs; its lock ends with it.")
    if not view.is_alive:
        return good(what, f"{found}; the next start takes it over")
    if view.holder.job_name == job:
        return good(what, f"{found}; a second process of the job would be refused")
    return bad(what, found, "Stop that one first, or give this job a base path of its own.")
