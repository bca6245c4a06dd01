"""The jobs that keep a position, for the commands that look at it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamjoin.capture.config.capture import CaptureConfig
    from streamjoin.enrich.config.enrich import EnrichConfig
    from streamjoin.replicate.config import ReplicateConfig


def load_positioned_job(config: str) -> "EnrichConfig | CaptureConfig | ReplicateConfig":
    """Read and check the configuration of a job that reads a stream, or a binlog.

    Raises:
        ConfigError: It is wrong, or another job's.
    """
    from streamjoin.entry import load_job  # noqa: PLC0415
    from streamjoin.replicate.config import ReplicateConfig  # noqa: PLC0415

    found = load_job(config)
    return found if isinstance(found, ReplicateConfig) else load_stream_job(config)


def load_stream_job(config: str) -> "EnrichConfig | CaptureConfig":
    """Read and check the configuration of a job that reads a stream into Hudi tables.

    Raises:
        ConfigError: It is wrong, or another job's.
    """
    from streamjoin.backfill.config.backfill import BackfillConfig  # noqa: PLC0415
    from streamjoin.capture.config.capture import CaptureConfig  # noqa: PLC0415
    from streamjoin.enrich.config.enrich import EnrichConfig  # noqa: PLC0415
    from streamjoin.entry import load_job  # noqa: PLC0415
    from streamjoin.errors import ConfigError  # noqa: PLC0415

    found = load_job(config)
    if isinstance(found, EnrichConfig | CaptureConfig):
        return found
    reason = (
        "which has no position in a stream: it goes on where it stopped by itself, with streamjoin run"
        if isinstance(found, BackfillConfig)
        else "which writes DynamoDB tables and no Hudi table"
    )
    raise ConfigError([f"job: found '{found.job}', {reason}; expected here: enrich, capture"], config)
