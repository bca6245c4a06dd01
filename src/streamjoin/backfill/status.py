"""How a backfill is, from its note and its figures beside the table."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.backfill.report import ScanTotals
from streamjoin.backfill.telling import FIGURES_PLACE
from streamjoin.capture.backfill_note import FOLDER, BackfillNote, Noted
from streamjoin.dynamodb.read.item_files import ItemFolder
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.history.figures import BatchFigures
from streamjoin.history.stored_figures import together
from streamjoin.lock.view import LockView, look
from streamjoin.overview.overview import RECENT_BATCHES, Overview
from streamjoin.overview.state import IDLE_SECONDS, JobState, State


def status(config: BackfillConfig, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Callable[[], Overview]:
    """Return what looks at the job of `config`; its newest backfill is told of, also if it has ended."""
    table = config.tables[0]
    base_path = table.sink.hudi.base_path
    figures, note = FigureFolder(base_path, FIGURES_PLACE), BackfillNote(base_path)

    def overview() -> Overview:
        lock, noted = look(f"{base_path}/{FOLDER}/backfill"), note.read()
        batches = [each for each in figures.entries() if noted is not None and noted.id in each.batch_id]
        now = clock()
        return Overview(
            job=config.name,
            kind=config.job,
            where={"table": table.table_name, "note beside": base_path},
            now=now,
            state=_state(lock, noted, batches, now),
            lock=lock,
            batches=batches[-RECENT_BATCHES:],
            letters=together(batches).rejected_by_reason if batches else {},
            details={} if noted is None else _details(noted, ItemFolder(note.folder(noted.id)), batches),
        )

    return overview


def _state(lock: LockView, noted: Noted | None, batches: Sequence[BatchFigures], now: datetime) -> JobState:
    if noted is not None and noted.state == "done" and lock.holder is None:
        return JobState(State.DONE, f"backfill {noted.id} has ended")
    return JobState.of(lock, batches, now, allowed_seconds=IDLE_SECONDS, is_begun=noted is not None)


def _details(noted: Noted, folder: ItemFolder, batches: Sequence[BatchFigures]) -> dict[str, Any]:
    written = [each for each in batches if each.kind != "scan"]
    shown = {
        "backfill": noted.id,
        "phase": noted.state,
        "items as of": datetime.fromtimestamp(noted.noted_us / 1_000_000, UTC).isoformat(timespec="seconds"),
        "rows written": sum(each.kept for each in written),
    }
    if noted.state == "scanning":
        finished = folder.finished(range(noted.segments))
        begun = folder.progress(number for number in range(noted.segments) if number not in finished)
        totals = ScanTotals.of(finished.values(), begun.values(), noted.segments)
        shown |= {
            "segments read": f"{totals.segments_done} of {totals.segments}",
            "items read": totals.scanned,
            "items taken": totals.selected,
            "read units": totals.read_units,
        }
    else:
        shown |= {"files written": f"{noted.written_files} of {noted.files}"}
    return shown


def series(config: BackfillConfig, since: datetime) -> Iterator[BatchFigures]:
    """Yield what each commit and each reading of the table's backfills was from a time on, the oldest first.

    Raises:
        SinkError: The figures can't be read.
    """
    figures = FigureFolder(config.tables[0].sink.hudi.base_path, FIGURES_PLACE)
    return (each for each in figures.entries() if each.at >= since)
