"""The job as `streamjoin run` runs it: the same parts, the same options, driven batch by batch."""

from typing import Any

from pyspark.sql import SparkSession
from stopwatch import Stopwatch
from todays_way import DROPPED, ORDER_SCHEMA

from streamjoin.config import parse_config
from streamjoin.local.orders import COUNTRY_TABLE
from streamjoin.pipelines.assembly import assemble, check_formats, check_services, resolve_schema
from streamjoin.pipelines.enrich import process_batch, starting_point
from streamjoin.pipelines.pace import Pace
from streamjoin.pipelines.runner import StreamReader
from streamjoin.sources.kinesis import BatchLimits, Stream

# What `process_batch` has done when it calls `at`; before the first of them the batch is read.
STEPS = {
    "read": "read",
    "counted": "decode, join, order, count",
    "dead_letters_written": "dead letters",
    "committed": "commit",
}


def job_config(stream_name: str, base_path: str, table_type: str) -> dict[str, Any]:
    """Return a configuration that does what today's script does; what it doesn't say is at its default."""
    return {
        "job": "enrich",
        "name": stream_name,
        "source": {"kinesis": {"stream_name": stream_name, "starting_position": "TRIM_HORIZON"}},
        "payload": {"format": "json", "schema": ORDER_SCHEMA},
        "references": [
            {
                "name": "country",
                "dynamodb": {"table_name": COUNTRY_TABLE},
                "on": {"country": "countryname"},
                "columns": ["code", "combinedname"],
            }
        ],
        # `countryname` is a join attribute: it is no column of the table to begin with.
        "output": {"drop": [column for column in DROPPED if column != "countryname"]},
        "sink": {
            "hudi": {
                "base_path": base_path,
                "table_name": "orders",
                "record_key": ["uuid"],
                "ordering": {"column": "orderdate", "format": "M/d/yy"},
                "table_type": table_type,
            }
        },
        "dead_letters": {"base_path": f"{base_path}_dead_letters"},
        "trigger": {"interval_seconds": 0},
    }


class OurWay:
    """`streamjoin.pipelines.enrich.run`, a batch at a time.

    Args:
        spark: The session.
        stream_name: What is read, from its beginning.
        base_path: Where the table lies.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
    """

    def __init__(self, spark: SparkSession, stream_name: str, base_path: str, *, table_type: str) -> None:
        self.base_path = base_path
        config = parse_config(job_config(stream_name, base_path, table_type))
        schema = resolve_schema(config)
        stream = Stream.from_config(config.source.kinesis)
        check_services(config, stream)
        check_formats(config, spark)
        self._job = assemble(config, schema, spark)
        limits = BatchLimits(config.limits.max_records_per_batch, config.limits.max_bytes_per_batch)
        self._pace = Pace(limits, config.limits.target_batch_seconds)
        self._reader = StreamReader(spark, stream, starting_point(config, self._job, stream, spark)())

    def idle(self) -> None:
        """Look for records while there are none, as the runner does between two batches."""
        if self._reader.next(self._pace.limits).ranges and not self._reader.caught_up:
            message = f"'{self.base_path}': the stream was expected to be read to its tip between two batches"
            raise RuntimeError(message)

    def run_batch(self, watch: Stopwatch) -> int:
        """Take what is in the stream to a commit; return how many records."""
        batch = self._reader.next(self._pace.limits)
        if not self._reader.caught_up:
            self._reader.fetch_ahead(self._pace.limits)
        report = process_batch(self._job, batch, at=lambda step: watch.lap(STEPS[step]))
        watch.lap("let go of the batch")
        self._pace.took(report.counts.read, report.seconds)
        return report.counts.read

    def close(self) -> None:
        """End the background thread."""
        self._reader.close()
