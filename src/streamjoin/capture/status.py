"""How a capture is, from its journal alone."""

from collections.abc import Callable, Iterator
from datetime import datetime

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.history.figures import BatchFigures
from streamjoin.history.reader import HistoryReader
from streamjoin.overview.of_history import overviews_of
from streamjoin.overview.overview import Overview


def status(config: CaptureConfig) -> Callable[[], Overview]:
    """Return what looks at the job of `config`."""
    path = journal_path(config)
    return overviews_of(
        HistoryReader.of_journal(path),
        job=config.name,
        kind=config.job,
        where={"tables": ", ".join(each.table_name for each in config.tables), "journal": path},
        lock_path=path,
    )


def series(config: CaptureConfig, since: datetime) -> Iterator[BatchFigures]:
    """Yield what each batch from a time on was, in numbers, the oldest first.

    Raises:
        SinkError: The journal can't be read.
    """
    return map(BatchFigures.of, HistoryReader.of_journal(journal_path(config)).since(since))
