"""Jobs as `streamjoin run` runs them: the same parts, the same options, driven batch by batch."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.stopwatch import Stopwatch
from benchmarks.todays_way import DROPPED, ORDER_SCHEMA
from streamjoin.enrich.assembly import assemble, check_services, resolve_schema
from streamjoin.enrich.judging import check_formats
from streamjoin.enrich.pipeline import open_reader, process_turn
from streamjoin.enrich.start import starting_point
from streamjoin.entry import parse_config
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.local.samples.orders import COUNTRY_TABLE
from streamjoin.streaming.ahead import Turn
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.stream_reader import StreamReader


class JobWay:
    """A job's loop, a batch at a time.

    Args:
        base_path: Where its table lies.
        process: Takes a batch to its end, and calls the other argument with each step that has been done.
        reader: Of its stream.
        pace: Its limits.

    Attributes:
        last_report: What the last batch was, in numbers.
    """

    last_report: BatchReport

    def __init__(
        self, base_path: str, process: Callable[[Any, Callable[[str], None]], BatchReport], reader: Any, pace: Pace
    ) -> None:
        self.base_path, self._process, self._reader, self._pace = base_path, process, reader, pace

    def idle(self) -> None:
        """Look for records while there are none, as the runner does between two batches."""
        found = self._reader.next(self._pace.limits)
        batch = found.batch if isinstance(found, Turn) else found
        if batch.ranges and not self._reader.caught_up:
            message = f"'{self.base_path}': the stream was expected to be read to its tip between two batches"
            raise RuntimeError(message)

    def run_batch(
        self, watch: Stopwatch, on_step: Callable[[str], None] = lambda step: None, *, is_last: bool = False
    ) -> int:
        """Take what is in the stream to a commit; return how many records.

        Args:
            watch: Times the steps.
            on_step: Called with the name of each step of the job's `process_batch` that has been done.
            is_last: Whether others have their turn after it, so that nothing may go on in the background.
        """

        def done(step: str) -> None:
            watch.lap(step)
            on_step(step)

        batch = self._reader.next(self._pace.limits)
        watch.lap("fetch")
        if not self._reader.caught_up and not is_last:
            self._reader.fetch_ahead(self._pace.limits)
        self.last_report = report = self._process(batch, done)
        watch.lap("let go of the batch")
        self._pace.took(report.counts.read, report.seconds)
        return report.counts.read

    def close(self) -> None:
        """End the background thread."""
        self._reader.close()


class OurWay(JobWay):
    """`streamjoin.enrich.pipeline.run`, a batch at a time.

    Args:
        spark: The session.
        settings: The job's configuration, as `job_config` gives it.

    Attributes:
        job: The job's parts.
        load_seconds: How long reading the references and shipping them to Spark took.
    """

    def __init__(self, spark: SparkSession, settings: Mapping[str, Any]) -> None:
        config = parse_config(settings)
        schema = resolve_schema(config)
        stream = Stream.from_config(config.source.kinesis)
        check_services(config, stream)
        check_formats(config, schema, spark)
        self.job = job = assemble(config, schema, spark)
        started = time.perf_counter()
        for reference in job.references:
            reference.current()
        self.load_seconds = time.perf_counter() - started
        limits = BatchLimits(config.limits.max_records_per_batch, config.limits.max_bytes_per_batch)
        reader = open_reader(job, StreamReader(spark, stream, starting_point(config, job, stream, spark)()))
        super().__init__(
            config.sink.hudi.base_path,
            lambda turn, on_step: process_turn(job, turn, on_step),
            reader,
            Pace(limits, config.limits.target_batch_seconds),
        )

    def close(self) -> None:
        """End the background thread, and wait for what is carried out of the table's services."""
        super().close()
        self.job.writer.finish()


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

    With `on_change: rewrite_rows` the table keeps the join column, from which its rows are joined again.
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
