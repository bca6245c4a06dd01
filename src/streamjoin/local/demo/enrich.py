"""The main job on this machine, from an empty stream to query results before and after a change of the reference."""

import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import query
from streamjoin.errors import ConfigError, SinkError, StreamJoinError
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.reference_origin import DynamoDbOrigin, MySqlOrigin, ReferenceOrigin, start_server
from streamjoin.local.demo.scenarios import SCENARIOS, Scenario
from streamjoin.local.demo.stage import STARTING, Stage
from streamjoin.local.samples.datasets import DATASETS, Dataset
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream
from streamjoin.query import read_table
from streamjoin.verify import verify

SHARDS = 4
# After the change comes a quarter of what came before it.
SECOND_LOAD_SHARE = 4
STEPS = 11
# The server, and the replicate job.
STEPS_OF_MYSQL = 2


@dataclass(frozen=True)
class Loads:
    """How many records come before the reference changes, and how many after."""

    first: int
    second: int


def loads(dataset: Dataset, records: int | None) -> Loads:
    """Return how many records to send, so that a data set of fixed size suffices for both loads."""
    wanted = records or dataset.demo_records
    second = wanted // SECOND_LOAD_SHARE
    first = wanted if dataset.total_records is None else min(wanted, dataset.total_records - second)
    return Loads(first, second)


def demo(name: DatasetName, *, records: int | None, s3: bool, with_mysql: bool, console: Console) -> None:
    """Show the whole job: everything it makes is below `.demo/<dataset>` of the current directory.

    Args:
        name: Which sample data.
        records: Of the first load; default: the data set's own number.
        s3: Write the tables to the embedded S3 instead of the disk.
        with_mysql: Let the reference table be replicated from a MySQL or MariaDB server; with orders only.
        console: Where to tell about it.

    Raises:
        ConfigError: There is no MySQL table for this data set.
        StreamJoinError: A job ended, or its table stopped growing before all rows were there.
    """
    if with_mysql and name is not DatasetName.ORDERS:
        problem = f"--with-mysql: found --dataset {name}; allowed: orders, whose reference table it replicates"
        raise ConfigError([problem], "streamjoin demo")
    scenario = SCENARIOS[name]
    with Stage.opened(name, STEPS + (STEPS_OF_MYSQL if with_mysql else 0), s3=s3, console=console) as stage:
        origin: ReferenceOrigin = DynamoDbOrigin(DATASETS[name], scenario.change)
        if with_mysql:
            origin = MySqlOrigin(start_server(stage), stage, scenario.change)
        _Demo(DATASETS[name], scenario, stage, origin).play(loads(DATASETS[name], records))


class _Demo:
    """The steps between the start of the services and their end."""

    def __init__(self, dataset: Dataset, scenario: Scenario, stage: Stage, origin: ReferenceOrigin) -> None:
        self.dataset, self.scenario, self.stage, self.origin = dataset, scenario, stage, origin
        self.narrator = stage.narrator
        self.table_path = f"{stage.root}/table"
        self.config = scenario.config(self.table_path, f"{stage.root}/dead_letters")
        self.stream_name = self.config["source"]["kinesis"]["stream_name"]

    def play(self, load: Loads) -> None:
        events = self.scenario.events
        self._create()
        self.path = self.stage.write("enrich.yaml", self.config)
        with self.narrator.step(f"start the job: streamjoin run {self.path}"):
            job = self.stage.job(self.path, "job.log")
        self._produce(load.first, 0, f"send {load.first:,} {events} to the stream '{self.stream_name}'")
        self._wait(job, load.first, f"the job joins them and commits: {load.first:,} rows to come")
        self._show("what a query shows now")
        with self.narrator.step(self.origin.change) as step:
            step.outcome = f"{self.origin.change_rows()} rows"
        started = time.monotonic()
        self._wait_until_rewritten(job, load.first)
        rewritten_seconds = time.monotonic() - started
        self._show("what a query shows after the change: the same rows")
        self._produce(load.second, load.first, f"send {load.second:,} more {events}")
        started = time.monotonic()
        self._wait(job, load.first + load.second, "the same job, not restarted, joins them with the new values")
        seconds = time.monotonic() - started
        self._show("what a query shows in the end")
        with self.narrator.step("stop: SIGTERM, each job finishes the batch in hand") as step:
            job.finish()
            self.origin.finish()
            step.outcome = "exit code 0"
        self._prove()
        commits = query(self.path, "SELECT count(DISTINCT _hoodie_commit_time) FROM t").column(0)[0]
        self.stage.sum_up(
            f"{load.first + load.second:,} rows in {commits} commits. The second load was in the "
            f"table {seconds:.1f} s after it was in the stream, the change in all rows {rewritten_seconds:.1f} s after "
            f"it was in {self.origin.system}.",
            [
                f'streamjoin query {self.path} "{self.scenario.summary_sql}"',
                f"streamjoin checkpoint show {self.path}",
                f"streamjoin verify {self.path}",
                f"less {self.stage.directory / 'job.log'}",
            ],
        )

    def _create(self) -> None:
        title = f"create the stream '{self.stream_name}' with {SHARDS} shards, and {self.origin.place}"
        with self.narrator.step(title) as step:
            create_stream(aws_client("kinesis"), self.stream_name, SHARDS)
            step.outcome = f"{self.origin.create():,} rows"
        self.origin.start(self.narrator)

    def _produce(self, count: int, start: int, title: str) -> None:
        with self.narrator.step(title) as step:
            events = islice(self.dataset.records(0, start), count)
            sent = produce(
                aws_client("kinesis"),
                self.stream_name,
                events,
                record_key=self.dataset.record_key,
                on_progress=lambda done: step.update(done, count, f"{done:,} of {count:,} sent"),
            )
            step.outcome = str(sent)

    def _wait(self, job: JobProcess, rows: int, title: str) -> None:
        self.stage.wait(
            title,
            job,
            lambda: rows - count_rows(self.table_path),
            lambda left: f"{rows - left:,} of {rows:,} rows",
            total=rows,
            detail=STARTING,
        )

    def _wait_until_rewritten(self, job: JobProcess, rows: int) -> None:
        left = partial(count_outdated, self.path, self.scenario.outdated_sql)
        first = left()
        self.stage.wait(
            "the job follows the table's stream and rewrites the rows already written; no new event came",
            job,
            left,
            lambda left: f"{left:,} of {rows:,} rows are outdated",
            total=max(1, first),
            outcome=f"{first:,} rows rewritten",
        )

    def _prove(self) -> None:
        title = "prove from the commits alone that nothing was skipped or read twice: streamjoin verify"
        with self.narrator.step(title) as step:
            report = verify(self.table_path, self.config["dead_letters"]["base_path"])
            if not report.holds:
                raise StreamJoinError("\n".join(report.lines()))
            step.outcome = f"{report.records:,} records, no gap, no overlap"

    def _show(self, title: str) -> None:
        self.stage.show(self.path, title, self.scenario.summary_sql, self.scenario.sample_sql)


def count_rows(base_path: str) -> int:
    """Return the rows of the table's newest commit; 0 while there is none, or while one is just being replaced."""
    try:
        return int(read_table(base_path, columns=["_hoodie_record_key"]).num_rows)
    except SinkError:
        return 0


def count_outdated(config_path: Path, sql: str) -> int:
    """Return how many rows `sql` counts, as `n`, in the newest commit."""
    return int(query(config_path, sql).column("n")[0])
