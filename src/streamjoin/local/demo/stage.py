"""What every demo is told with: services, jobs, waiting with progress, query results, and a last word."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import query
from streamjoin.errors import StreamJoinError
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator
from streamjoin.local.stack import LocalStack
from streamjoin.rendering import as_table

DIRECTORY = Path(".demo")
BUCKET = "streamjoin-demo"
# Without any progress; the very first start fetches Spark's jars (60 MB, with S3 300 MB more).
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.5
STARTING = "Spark starts, then the first batch loads Hudi: 15 to 60 s"


@dataclass(frozen=True)
class Stage:
    """The services of a demo, while they run.

    Args:
        narrator: Tells its steps.
        stack: The services.
        directory: Where configurations and logs go.
        root: Where the tables go.
        resources: End with the demo, however it ends.
    """

    narrator: Narrator
    stack: LocalStack
    directory: Path
    root: str
    resources: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def opened(cls, name: str, steps: int, *, s3: bool, console: Console) -> Iterator[Self]:
        """Start the services for the length of a `with` block; everything a demo makes is below `.demo/<name>`."""
        directory = DIRECTORY / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        narrator = Narrator(console, steps)
        with ExitStack() as resources:
            with narrator.step("start Kinesis, DynamoDB and S3 on this machine, in memory") as step:
                stack = resources.enter_context(LocalStack())
                step.outcome = stack.endpoint
            resources.enter_context(stack.active())
            if s3:
                aws_client("s3").create_bucket(Bucket=BUCKET)
            root = f"s3://{BUCKET}/{name}" if s3 else str(directory.absolute())
            yield cls(narrator, stack, directory, root, resources)

    def write(self, name: str, config: dict[str, Any]) -> Path:
        """Write a job's configuration; return its path."""
        path = self.directory / name
        path.write_text(yaml.safe_dump(config, sort_keys=False, width=110))
        return path

    def job(self, config: Path, log: str, environ: dict[str, str] | None = None) -> JobProcess:
        """Start a job, which ends with the demo; `environ` is added to its environment."""
        process = JobProcess(config, {**self.stack.environ(), **(environ or {})}, self.directory / log)
        return self.resources.enter_context(process)

    def wait(
        self,
        title: str,
        job: JobProcess,
        left: Callable[[], int],
        said: Callable[[int], str],
        *,
        total: int,
        detail: str = "",
        outcome: str = "",
    ) -> None:
        """Tell a step that lasts until `left` of `total` is 0; `said` puts in words how far it is."""
        with self.narrator.step(title, detail=detail) as step:

            def on_progress(found: int) -> None:
                step.update(total - found, total, said(found) if found < total else detail)

            wait_until_none(left, said, job.check_running, on_progress)
            step.outcome = outcome

    def show(self, config: Path, title: str, *sql: str) -> None:
        """Show query results, the first with a title."""
        console = self.narrator.console
        console.print()
        for index, each in enumerate(sql):
            console.print(as_table(query(config, each), title="" if index else title, width=console.width))
        console.print()

    def sum_up(self, done: str, commands: Sequence[str]) -> None:
        """Say what came of it, and where one can look further."""
        console = self.narrator.console
        console.print(f"[bold green]Done:[/] {done}", highlight=False)
        if self.root.startswith("s3://"):
            console.print("The tables were on the embedded S3, which was in memory and has ended.")
            return
        console.print("Look further:")
        for line in commands:
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def wait_until_none(
    left: Callable[[], int],
    said: Callable[[int], str],
    check_running: Callable[[], None],
    on_progress: Callable[[int], Any] = lambda left: None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when nothing is left.

    Args:
        left: Returns how much is.
        said: Puts that in words.
        check_running: Raises when the job has ended.
        on_progress: Called with each count, at last with 0.
        patience_seconds: How long to wait while the count doesn't fall.
        clock: Seconds that only go forward.
        sleep: Waits a number of seconds.

    Raises:
        StreamJoinError: The count did not fall any more.
    """
    found = least = left()
    since = clock()
    while found > 0:
        check_running()
        if found < least:
            least, since = found, clock()
        if clock() - since > patience_seconds:
            message = f"{said(least)}, and nothing changed for {patience_seconds:.0f} s"
            raise StreamJoinError(message)
        on_progress(found)
        sleep(POLL_SECONDS)
        found = left()
    on_progress(0)
