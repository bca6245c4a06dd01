"""The job as `streamjoin run` runs it: the same parts, the same options, driven batch by batch."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession
from stopwatch import Stopwatch
from todays_way import DROPPED, ORDER_SCHEMA

from streamjoin.enrich.assembly import assemble, check_formats, check_services, resolve_schema
from streamjoin.enrich.pipeline import process_batch, starting_point
from streamjoin.entry import parse_config
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.local.samples.orders import COUNTRY_TABLE
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.stream_reader import StreamReader

# What `process_batch` has done when it calls `at`; before the first of them the batch is read.
STEPS = {
    "read": "read",
    "counted": "decode, join, order, count",
    "dead_letters_written": "dead letters",
    "committed": "commit",
    "recorded": "ledger",
}


def job_config(
    stream_name: str,
    base_path: str,
    table_type: str,
    *,
    table_name: str = COUNTRY_TABLE,
    on_change: str = "new_rows",
    scan_segments: int | None = None,
) -> dict[str, Any]:
    """Return a configuration that does what today's script does; what it doesn't say is at its default.

    Args:
        stream_name: What is read, from its beginning.
        base_path: Where the table lies.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        table_name: The reference's table.
        on_change: With `rewrite_rows` the table keeps the join column, from which its rows are joined again.
        scan_segments: How many parts of the reference's table are read at the same time. Default: by its size.
    """
    # `countryname` is a join attribute: it is no column of the table to begin with.
    kept = {"countryname", "country"} if on_change == "rewrite_rows" else {"countryname"}
    return {
        "job": "enrich",
        "name": stream_name,
        "source": {"kinesis": {"stream_name": stream_name, "starting_position": "TRIM_HORIZON"}},
        "payload": {"format": "json", "schema": ORDER_SCHEMA},
        "references": [
            {
                "name": "country",
                "dynamodb": {"table_name": table_name, "scan_segments": scan_segments},
                "on": {"country": "countryname"},
                "columns": ["code", "combinedname"],
                "on_change": on_change,
            }
        ],
        "output": {"drop": [column for column in DROPPED if column not in kept]},
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
    """`streamjoin.enrich.pipeline.run`, a batch at a time.

    Args:
        spark: The session.
        settings: The job's configuration, as `job_config` gives it.

    Attributes:
        base_path: Where the table lies.
        job: The job's parts.
        load_seconds: How long reading the references and shipping them to Spark took.
        load_read_units: What it consumed, as the job reports it.
        last_report: What the last batch was, in numbers.
    """

    def __init__(self, spark: SparkSession, settings: Mapping[str, Any]) -> None:
        config = parse_config(settings)
        self.base_path = config.sink.hudi.base_path
        self.last_report: BatchReport | None = None
        schema = resolve_schema(config)
        stream = Stream.from_config(config.source.kinesis)
        check_services(config, stream)
        check_formats(config, spark)
        self.job = assemble(config, schema, spark)
        started = time.perf_counter()
        self.load_read_units = sum(each.current().consumed_read_units for each in self.job.references)
        self.load_seconds = time.perf_counter() - started
        limits = BatchLimits(config.limits.max_records_per_batch, config.limits.max_bytes_per_batch)
        self._pace = Pace(limits, config.limits.target_batch_seconds)
        self._reader = StreamReader(spark, stream, starting_point(config, self.job, stream, spark)())

    def idle(self) -> None:
        """Look for records while there are none, as the runner does between two batches."""
        if self._reader.next(self._pace.limits).ranges and not self._reader.caught_up:
            message = f"'{self.base_path}': the stream was expected to be read to its tip between two batches"
            raise RuntimeError(message)

    def run_batch(self, watch: Stopwatch, at: Callable[[str], None] = lambda step: None) -> int:
        """Take what is in the stream to a commit; return how many records.

        Args:
            watch: Times the steps.
            at: Called with the name of each step of `process_batch` that has been done.
        """

        def done(step: str) -> None:
            watch.lap(STEPS[step])
            at(step)

        batch = self._reader.next(self._pace.limits)
        if not self._reader.caught_up:
            self._reader.fetch_ahead(self._pace.limits)
        self.last_report = report = process_batch(self.job, batch, at=done)
        watch.lap("let go of the batch")
        self._pace.took(report.counts.read, report.seconds)
        return report.counts.read

    def close(self) -> None:
        """End the background thread."""
        self._reader.close()
