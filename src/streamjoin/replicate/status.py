"""How a replication is, from its item in the control table and its figures there."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.history.figures import BatchFigures
from streamjoin.history.stored_figures import together
from streamjoin.overview.overview import RECENT_BATCHES, Overview, ShardView
from streamjoin.overview.state import JobState
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.figures import BINLOG, FiguresByMinute

_LATELY: Final = timedelta(hours=2)


def status(
    config: ReplicateConfig, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Callable[[], Overview]:
    """Return what looks at the job of `config`; the server is not asked."""
    settings = config.target.dynamodb
    client = aws_client("dynamodb", settings.region, settings.role_arn)
    control = ControlTable.of(config.name, settings.control_table, client)
    figures = FiguresByMinute(client, settings.control_table, config.name, clock=lambda: clock().timestamp())

    def overview() -> Overview:
        now = clock()
        state, lock = control.view()
        batches = list(figures.since(now - _LATELY)) if state is not None else []
        newest = batches[-1] if batches else None
        shards = []
        if state is not None:
            lag_ms = newest.lag_ms.get(BINLOG) if newest else None
            shards = [ShardView(BINLOG, str(state.position), lag_ms, newest.at if newest else None)]
        return Overview(
            job=config.name,
            kind=config.job,
            where={"control table": settings.control_table, "server": f"{config.source.mysql.host}"},
            now=now,
            # Nothing is written while nothing changes.
            state=JobState.of(lock, batches, now, allowed_seconds=math.inf, is_begun=state is not None),
            lock=lock,
            shards=shards,
            batches=batches[-RECENT_BATCHES:],
            letters=together(batches).rejected_by_reason if batches else {},
            details={} if state is None else _details(state),
        )

    return overview


def _details(state: ControlState) -> dict[str, Any]:
    shown: dict[str, Any] = {"phase": state.phase, "generation": state.generation, "server id": state.server}
    for name, progress in (state.loading or {}).items():
        shown[f"load of {name}"] = f"{progress.rows:,} rows{', done' if progress.is_done else ''}"
    return shown


def series(config: ReplicateConfig, since: datetime) -> Iterator[BatchFigures]:
    """Yield what each minute from a time on was, in numbers, the oldest first; thirty days are kept.

    Raises:
        SinkError: The control table can't be read.
    """
    settings = config.target.dynamodb
    client = aws_client("dynamodb", settings.region, settings.role_arn)
    state, _ = ControlTable.of(config.name, settings.control_table, client).view()
    # Before the first start there may be no control table.
    return iter(()) if state is None else FiguresByMinute(client, settings.control_table, config.name).since(since)
