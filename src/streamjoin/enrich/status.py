"""How an enrichment is, from the ledger of its table alone."""

from collections.abc import Callable, Iterator
from datetime import datetime

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.history.figures import BatchFigures
from streamjoin.history.reader import HistoryReader
from streamjoin.overview.of_history import overviews_of
from streamjoin.overview.overview import Overview


def status(config: EnrichConfig) -> Callable[[], Overview]:
    """Return what looks at the job of `config`."""
    hudi = config.sink.hudi
    return overviews_of(
        HistoryReader.of_ledger(hudi.base_path),
        job=config.name,
        kind=config.job,
        where={"table": f"{hudi.database}.{hudi.table_name}", "ledger of": hudi.base_path},
        lock_path=hudi.base_path,
    )


def series(config: EnrichConfig, since: datetime) -> Iterator[BatchFigures]:
    """Yield what each commit from a time on was, in numbers, the oldest first.

    Raises:
        SinkError: The ledger can't be read.
    """
    return map(BatchFigures.of, HistoryReader.of_ledger(config.sink.hudi.base_path).since(since))
