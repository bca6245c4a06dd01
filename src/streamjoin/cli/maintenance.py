"""`streamjoin maintain`: from a configuration to the tables whose services it sees to."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import load_job
from streamjoin.errors import ConfigError
from streamjoin.process import configure_logging

if TYPE_CHECKING:
    from streamjoin.services.maintain import Maintained

log = logging.getLogger(__name__)

# A step rewrites files; killed, it is done again.
_GRACE_SECONDS: Final = 600.0
# A capture has a table's lock for each of its commits only.
_TURN_SECONDS: Final = 5.0
_ELSEWHERE: Final = {
    "backfill": "whose table is that of a capture: give the capture's file",
    "replicate": "which writes DynamoDB tables and no Hudi table",
}


def maintain_job(path: str, *, every_seconds: float | None) -> Iterator[str]:
    """See to the services of the tables of a job; yield a line for each table, in the end.

    Args:
        path: Of the job's file.
        every_seconds: From one look to the next; None: one.

    Raises:
        ConfigError: The configuration is wrong, or its job writes no table of its own.
        StreamJoinError: It failed.
    """
    config = load_job(path)
    if not isinstance(config, EnrichConfig | CaptureConfig):
        raise ConfigError([f"job: found '{config.job}', {_ELSEWHERE[config.job]}; expected: enrich, capture"], path)
    from streamjoin.aws.storage import is_s3  # noqa: PLC0415  (once the file is known to be good: Spark takes its seconds)
    from streamjoin.services.maintain import maintain  # noqa: PLC0415
    from streamjoin.spark.session import job_session  # noqa: PLC0415
    from streamjoin.streaming.signals import stop_on_signals  # noqa: PLC0415

    configure_logging(form=config.logging.format)
    log.info("job=%s maintaining config=%s", config.name, path)
    tables = tables_of(config)
    spark = job_session(config.name, s3=any(is_s3(each.table.base_path) for each in tables()))
    with stop_on_signals(_GRACE_SECONDS, work="step") as stop:
        done = maintain(spark, tables, stop, job=config.name, every_seconds=every_seconds)
    for base_path, found in done.items():
        yield f"table at {base_path}: {found}"


def tables_of(config: EnrichConfig | CaptureConfig) -> "Callable[[], Sequence[Maintained]]":
    """Return what gives the tables of a job, as they are at the moment."""
    if isinstance(config, EnrichConfig):
        return partial(_table, config)
    return partial(_captured, config)


def _table(config: EnrichConfig) -> "list[Maintained]":
    from streamjoin.enrich.assembly import hudi_table  # noqa: PLC0415
    from streamjoin.services.maintain import Maintained  # noqa: PLC0415

    return [Maintained(hudi_table(config))]


def _captured(config: CaptureConfig) -> "list[Maintained]":
    from streamjoin.capture.job import assemble  # noqa: PLC0415
    from streamjoin.services.maintain import Maintained  # noqa: PLC0415

    return [Maintained(table, _TURN_SECONDS) for table in assemble(config).tables.hudi_tables()]
