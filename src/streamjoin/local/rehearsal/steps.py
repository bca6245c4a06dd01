"""The steps of a rehearsal, told as they are taken."""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from streamjoin.aws.clients import aws_client
from streamjoin.entry import load_job, query
from streamjoin.errors import SinkError, StackError
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.demo.narration import Narrator, Step
from streamjoin.local.demo.stage import STARTING, wait_until_none
from streamjoin.local.rehearsal.proofs import entered, examined, leftovers, role_of, watched_metrics
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, COUNTRY_TABLE
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import put_items
from streamjoin.rendering import as_table
from streamjoin.stacks.deployment import Deployment
from streamjoin.stacks.destruction import destroy
from streamjoin.stacks.environment import Environment
from streamjoin.stacks.events import Event

_STEPS: Final = 11
_ORDERS: Final = 400
_MORE_ORDERS: Final = 100
_ROWS: Final = "SELECT count(*) AS n FROM t"
_NEWEST: Final = "SELECT max(_hoodie_commit_time) AS n FROM t"
_CHANGED: Final = "SELECT count(*) AS n FROM t WHERE combinedname = '{new}'"
# Of orders that came after the change: those that still have a value from before it.
_OUTDATED: Final = "SELECT count(*) AS n FROM t WHERE _hoodie_commit_time > '{since}' AND combinedname IN ({old})"
_RESULT: Final = (
    "SELECT combinedname, count(*) AS orders, sum(CAST(unitssold AS bigint)) AS units "
    "FROM t GROUP BY combinedname ORDER BY combinedname"
)


@dataclass
class Rehearsal:
    """One rehearsal of an environment that takes the sample orders.

    Args:
        environment: What is deployed.
        root: The repository.
        console: Where it is told.
        folder: Where configuration and log go.
        prepare: Does what has to be done before the deployment.
        job_variables: Gives more environment variables for the job's process.
        look: Looks at what else is of interest, before all is destroyed.
    """

    environment: Environment
    root: Path
    console: Console
    folder: Path
    prepare: Callable[["Rehearsal"], None] = lambda rehearsal: None
    job_variables: Callable[[LocalStack], Mapping[str, str]] = lambda stack: {}
    look: Callable[["Rehearsal"], None] = lambda rehearsal: None
    events: list[Event] = field(default_factory=list, init=False)

    @property
    def log(self) -> Path:
        """What the job has said."""
        return self.folder / "job.log"

    def run(self) -> None:
        """Take all steps.

        Raises:
            StreamJoinError: One of them didn't end as it should, or it isn't an environment of the sample orders.
        """
        began = time.monotonic()
        tables = self.environment.parameters.get("ReferenceTables", COUNTRY_TABLE)
        if COUNTRY_TABLE not in re.split("[:,]", tables):
            message = (
                f"a rehearsal sends the sample orders, which are joined with '{COUNTRY_TABLE}'; the ReferenceTables of "
                f"'{self.environment.name}' are {tables or 'none'}. docs/deploy.md has how to deploy it onto emulators"
            )
            raise StackError(message)
        self.narrator = Narrator(self.console, _STEPS)
        with ExitStack() as resources:
            with self.narrator.step(
                "start emulators of AWS on this machine, in memory: CloudFormation and more"
            ) as step:
                self.stack = resources.enter_context(LocalStack())
                step.outcome = self.stack.endpoint
            resources.enter_context(self.stack.active())
            self.prepare(self)
            self._deploy()
            self._configure()
            self._examine()
            self._seed()
            with JobProcess(self.uri, {**self.stack.environ(), **self.job_variables(self.stack)}, self.log) as job:
                self._run_job(job)
                self._change_reference(job)
                job.finish()
            with self.narrator.step("look for the table in the catalog") as step:
                step.outcome = entered(self.outputs)
            self._query()
            self._alarms()
            self.look(self)
            self._destroy()
        seconds = time.monotonic() - began
        done = f"[bold green]Done[/] in {seconds:.0f} s. The same on AWS: make deploy (docs/deploy.md)."
        self.console.print(done, highlight=False, soft_wrap=True)

    def _deploy(self) -> None:
        name = self.environment.name
        self.deployment = Deployment(
            self.environment, self.root, version("streamjoin"), lambda line: None, self.events.append
        )
        with self.narrator.step(f"deploy infra/streamjoin.yaml as stack '{name}', as make deploy does") as step:
            self.deployment.deploy()
            made = Counter(each.type for each in self.events if each.status == "CREATE_COMPLETE")
            # Of a stack in the stack both the outer one and itself say it.
            stacks = len({each.place for each in self.events if each.type == "AWS::CloudFormation::Stack"}) + 1
            del made["AWS::CloudFormation::Stack"]
            kinds = ", ".join(f"{count} {kind.removeprefix('AWS::')}" for kind, count in sorted(made.items()))
            step.outcome = f"{stacks} stacks with {made.total()} resources ({kinds})"
        self.outputs = self.deployment.outputs()
        self._note(
            "Not rehearsed: AWS DMS (Replication: dms), which no emulator has; make test checks its template alone."
        )

    def _configure(self) -> None:
        name, path = self.environment.name, self.folder / "enrich.yaml"
        with self.narrator.step(f"read the job's configuration: streamjoin config-from-stack {name} -o enrich.yaml"):
            command = [sys.executable, "-m", "streamjoin", "config-from-stack", name, "-o", str(path)]
            environ = self.stack.environ()
            answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
            if answer.returncode:
                raise StackError(answer.stderr.strip())
            self.config = load_job(str(path))
            self.uri = f"{self.outputs['ConfigurationUri']}/enrich.yaml"
            if load_job(self.uri) != self.config:
                message = f"'{self.uri}', which the Glue job reads, says another thing than config-from-stack"
                raise StackError(message)

    def _examine(self) -> None:
        role = role_of(self.outputs["EnrichJob"])
        with self.narrator.step(f"look at all that the job will meet, as its role '{role}': streamjoin doctor") as step:
            step.outcome, unknown = examined(self.config, role)
        for line in unknown:
            self._note(line)

    def _seed(self) -> None:
        with self.narrator.step(f"seed: countries into '{COUNTRY_TABLE}', {_ORDERS} orders into the stream") as step:
            put_items(aws_client("dynamodb"), COUNTRY_TABLE, COUNTRY_REFERENCE.rows())
            step.outcome = str(self._send(_ORDERS, 0))

    def _send(self, count: int, start: int) -> Any:
        data = DATASETS[DatasetName.ORDERS]
        records = islice(data.records(0, start), count)
        return produce(
            aws_client("kinesis"),
            self.outputs["EventsStream"],
            records,
            record_key=data.record_key,
            on_progress=_silent,
        )

    def _run_job(self, job: JobProcess) -> None:
        title = f"run the job as a process of this machine, for emulators run no Glue job: streamjoin run {self.uri}"
        with self.narrator.step(title, STARTING) as step:
            self._wait(job, _ORDERS, step)
            step.outcome = f"{_ORDERS} rows"

    def _wait(self, job: JobProcess, rows: int, step: Step) -> None:
        def left() -> int:
            try:
                return rows - int(self._one(_ROWS))
            except SinkError:
                # There is no table yet, or a file of it is being replaced.
                return rows

        def said(left: int) -> str:
            return f"{rows - left} of {rows} rows"

        wait_until_none(left, said, job.check_running, lambda left: step.update(rows - left, rows, said(left)))

    def _one(self, sql: str) -> Any:
        return query(self.config, sql).column("n")[0].as_py()

    def _change_reference(self, job: JobProcess) -> None:
        before, after = list(COUNTRY_REFERENCE.rows()), list(COUNTRY_REFERENCE.changed_rows())
        since = self._one(_NEWEST)
        title = f"change the reference, then send {_MORE_ORDERS} more orders: each has the new values"
        with self.narrator.step(title) as step:
            put_items(aws_client("dynamodb"), COUNTRY_TABLE, after)
            self._send(_MORE_ORDERS, _ORDERS)
            self._wait(job, _ORDERS + _MORE_ORDERS, step)
            old = ", ".join(f"'{row['combinedname']}'" for row in before)
            outdated = self._one(_OUTDATED.format(since=since, old=old))
            changed = self._one(_CHANGED.format(new=after[0]["combinedname"]))
            if outdated or not changed:
                message = (
                    f"of the orders that came after the change of '{COUNTRY_TABLE}' {outdated} have values from before "
                    f"it, and {changed} the new '{after[0]['combinedname']}'; expected 0, and some"
                )
                raise StackError(message)
            step.outcome = f"{changed} rows with '{after[0]['combinedname']}'"

    def _query(self) -> None:
        with self.narrator.step("query the table, without Spark: streamjoin query") as step:
            rows = query(self.config, _RESULT)
            counted, expected = sum(row["orders"] for row in rows.to_pylist()), _ORDERS + _MORE_ORDERS
            if counted != expected:
                message = f"the table has {counted} rows, expected {expected}"
                raise StackError(message)
            step.outcome = f"{counted} orders"
        self.console.print(as_table(rows, title="", width=self.console.width))

    def _alarms(self) -> None:
        with self.narrator.step("look for the metric of each alarm in what the job has printed") as step:
            found = watched_metrics(self.outputs, self.log)
            step.outcome = f"{len(found.told)} alarms on metrics that were printed"
        for each in found.silent:
            self._note(f"{each['AlarmName']}: {each['MetricName']} is printed only when it isn't 0.")
        if found.idle:
            self._note(f"{len(found.idle)} alarms are of jobs that the rehearsal doesn't run.")
        if found.others:
            self._note(f"{len(found.others)} alarms watch metrics that AWS's own services tell CloudWatch.")

    def _destroy(self) -> None:
        with self.narrator.step("destroy it, as make destroy does") as step:
            kept = destroy(self.deployment)
            # What a template retains is told by its own name, in quotes.
            left = [each for each in leftovers(self.environment.name) if not any(f"'{each}'" in told for told in kept)]
            if left:
                message = f"this is left of '{self.environment.name}': {', '.join(left)}"
                raise StackError(message)
            step.outcome = "no stack, bucket, stream, table, job or role of it is left"
            if kept:
                step.outcome += f", but what KeepData keeps: {', '.join(kept)}"

    def _note(self, text: str) -> None:
        self.console.print(f"    {text}", style="yellow", highlight=False, soft_wrap=True, markup=False)


def _silent(sent: int) -> None:
    del sent
