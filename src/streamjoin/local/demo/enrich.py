"""The main job on this machine, from an empty stream to query results before and after a change of the reference."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import query
from streamjoin.errors import ConfigError, SinkError, StreamJoinError
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.demo.reference_origin import DynamoDbOrigin, MariaDbOrigin, ReferenceOrigin, start_mariadb
from streamjoin.local.demo.scenarios import SCENARIOS, Scenario
from streamjoin.local.samples.datasets import DATASETS, Dataset
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream
from streamjoin.query import read_table
from streamjoin.rendering import as_table
from streamjoin.verify import verify

DIRECTORY = Path(".demo")
BUCKET = "streamjoin-demo"
SHARDS = 4
# After the change comes a quarter of what came before it.
SECOND_LOAD_SHARE = 4
# Without any new row; the very first start fetches Spark's jars (60 MB, with S3 300 MB more).
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.5
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
        with_mysql: Let the reference table be replicated from a MariaDB server; with orders only.
        console: Where to tell about it.

    Raises:
        ConfigError: There is no MySQL table for this data set.
        StreamJoinError: A job ended, or its table stopped growing before all rows were there.
    """
    if with_mysql and name is not DatasetName.ORDERS:
        problem = f"--with-mysql: found --dataset {name}; allowed: orders, whose reference table it replicates"
        raise ConfigError([problem], "streamjoin demo")
    dataset, scenario = DATASETS[name], SCENARIOS[name]
    directory = DIRECTORY / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    narrator = Narrator(console, STEPS + (STEPS_OF_MYSQL if with_mysql else 0))
    with ExitStack() as resources:
        with narrator.step("start Kinesis, DynamoDB and S3 on this machine, in memory") as step:
            stack = resources.enter_context(LocalStack())
            step.outcome = stack.endpoint
        resources.enter_context(stack.active())
        root = f"s3://{BUCKET}/{name}" if s3 else str(directory.absolute())
        origin: ReferenceOrigin = DynamoDbOrigin(dataset, scenario.change)
        if with_mysql:
            server = start_mariadb(narrator, resources)
            origin = MariaDbOrigin(server, directory, stack.environ(), scenario.change, resources)
        _Demo(dataset, scenario, directory, root, stack, origin, narrator).play(loads(dataset, records))


class _Demo:
    """The steps between the start of the services and their end."""

    def __init__(
        self,
        dataset: Dataset,
        scenario: Scenario,
        directory: Path,
        root: str,
        stack: LocalStack,
        origin: ReferenceOrigin,
        narrator: Narrator,
    ) -> None:
        self.dataset = dataset
        self.origin = origin
        self.scenario = scenario
        self.narrator = narrator
        self.stack = stack
        self.directory = directory
        self.table_path = f"{root}/table"
        self.config_path = directory / "enrich.yaml"
        self.config = scenario.config(self.table_path, f"{root}/dead_letters")
        self.stream_name = self.config["source"]["kinesis"]["stream_name"]
        self.on_s3 = root.startswith("s3://")

    def play(self, load: Loads) -> None:
        events = self.scenario.events
        self._create()
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False, width=110))
        with ExitStack() as resources:
            with self.narrator.step(f"start the job: streamjoin run {self.config_path}"):
                log = self.directory / "job.log"
                job = resources.enter_context(JobProcess(self.config_path, self.stack.environ(), log))
            self._produce(load.first, 0, f"send {load.first:,} {events} to the stream '{self.stream_name}'")
            self._wait(job, load.first, f"the job joins them and commits: {load.first:,} rows to come")
            self._show("what Athena shows now")
            self._change()
            started = time.monotonic()
            self._wait_until_rewritten(job, load.first)
            rewritten_seconds = time.monotonic() - started
            self._show("what Athena shows after the change: the same rows")
            self._produce(load.second, load.first, f"send {load.second:,} more {events}")
            started = time.monotonic()
            self._wait(job, load.first + load.second, "the same job, not restarted, joins them with the new values")
            seconds = time.monotonic() - started
            self._show("what Athena shows in the end")
            with self.narrator.step("stop: SIGTERM, each job finishes the batch in hand") as step:
                job.finish()
                self.origin.finish()
                step.outcome = "exit code 0"
        self._prove()
        self._sum_up(load, seconds, rewritten_seconds)

    def _create(self) -> None:
        title = f"create the stream '{self.stream_name}' with {SHARDS} shards, and {self.origin.place}"
        with self.narrator.step(title) as step:
            create_stream(aws_client("kinesis"), self.stream_name, SHARDS)
            if self.on_s3:
                aws_client("s3").create_bucket(Bucket=BUCKET)
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
        starting = "Spark starts, then the first batch loads Hudi: 15 to 60 s"
        with self.narrator.step(title, detail=starting) as step:

            def on_progress(found: int) -> None:
                step.update(found, rows, f"{found:,} of {rows:,} rows" if found else starting)

            wait_for_rows(lambda: count_rows(self.table_path), rows, job.check_running, on_progress)

    def _change(self) -> None:
        with self.narrator.step(self.origin.change) as step:
            step.outcome = f"{self.origin.change_rows()} rows"

    def _wait_until_rewritten(self, job: JobProcess, rows: int) -> None:
        title = "the job follows the table's stream and rewrites the rows already written; no new event came"
        with self.narrator.step(title) as step:
            left = partial(count_outdated, self.config_path, self.scenario.outdated_sql)
            first = left()
            most = first or 1

            def on_progress(done: int) -> None:
                step.update(done, most, f"{most - done:,} of {rows:,} rows are outdated")

            wait_for_rows(lambda: most - left(), most, job.check_running, on_progress)
            step.outcome = f"{first:,} rows rewritten"

    def _prove(self) -> None:
        title = "prove from the commits alone that nothing was skipped or read twice: streamjoin verify"
        with self.narrator.step(title) as step:
            report = verify(self.table_path, self.config["dead_letters"]["base_path"])
            if not report.holds:
                raise StreamJoinError("\n".join(report.lines()))
            step.outcome = f"{report.records:,} records, no gap, no overlap"

    def _show(self, title: str) -> None:
        console = self.narrator.console
        width = console.width
        console.print()
        console.print(as_table(query(self.config_path, self.scenario.summary_sql), title=title, width=width))
        console.print(as_table(query(self.config_path, self.scenario.sample_sql), width=width))
        console.print()

    def _sum_up(self, load: Loads, seconds: float, rewritten_seconds: float) -> None:
        console = self.narrator.console
        commits = query(self.config_path, "SELECT count(DISTINCT _hoodie_commit_time) FROM t").column(0)[0]
        console.print(
            f"[bold green]Done:[/] {load.first + load.second:,} rows in {commits} commits. The second load was in the "
            f"table {seconds:.1f} s after it was in the stream, the change in all rows {rewritten_seconds:.1f} s after "
            f"it was in {self.origin.system}.",
            highlight=False,
        )
        if self.on_s3:
            console.print("The tables were on the embedded S3, which was in memory and has ended.")
            return
        console.print("Look further:")
        for line in (
            f'streamjoin query {self.config_path} "{self.scenario.summary_sql}"',
            f"streamjoin checkpoint show {self.config_path}",
            f"streamjoin verify {self.config_path}",
            f"less {self.directory / 'job.log'}",
        ):
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def count_rows(base_path: str) -> int:
    """Return the rows of the table's newest commit; 0 while there is none, or while one is just being replaced."""
    try:
        return int(read_table(base_path, columns=["_hoodie_record_key"]).num_rows)
    except SinkError:
        return 0


def count_outdated(config_path: Path, sql: str) -> int:
    """Return how many rows `sql` counts, as `n`, in the newest commit."""
    return int(query(config_path, sql).column("n")[0])


def wait_for_rows(
    count: Callable[[], int],
    rows: int,
    check_running: Callable[[], None],
    on_progress: Callable[[int], Any],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the table has `rows` rows.

    Args:
        count: Returns how many there are.
        rows: How many there will be.
        check_running: Raises when nobody writes any more.
        on_progress: Called with each count.
        clock: Seconds that only go forward.
        sleep: Waits a number of seconds.

    Raises:
        StreamJoinError: Ten minutes passed without a new row.
    """
    most = 0
    since = clock()
    while (found := count()) < rows:
        check_running()
        if found > most:
            most, since = found, clock()
        if clock() - since > PATIENCE_SECONDS:
            message = f"the table has {most:,} rows instead of {rows:,}, and no new one for {PATIENCE_SECONDS:.0f} s"
            raise StreamJoinError(message)
        on_progress(max(found, most))
        sleep(POLL_SECONDS)
    on_progress(found)
