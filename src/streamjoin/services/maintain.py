"""The work of `streamjoin maintain`: the services of a job's tables, beside the job or without it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.errors import StreamJoinError
from streamjoin.hudi.repair import repair
from streamjoin.hudi.services.client import ServiceClient
from streamjoin.hudi.services.due import Rhythm, ServiceTimeline
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Timeline
from streamjoin.lock import HeldError, TableLock
from streamjoin.services.carrying_out import Done, carry_out, services_lock

log = logging.getLogger(__name__)

# The steps between which it may die; tests kill it at each.
STEPS = ("archived", "joined", "planned", "cleaned", "written", "compacted")


class Stop(Protocol):
    """Whether it was asked to stop."""

    @property
    def made(self) -> bool:
        """Whether it was."""

    def wait(self, seconds: float) -> None:
        """Wait, or until it is."""


@dataclass(frozen=True)
class Maintained:
    """A table, and how long to wait for the turn of the job that writes it.

    Args:
        table: The table.
        turn_seconds: 0 for a job that keeps the table's lock while it runs: then the job plans.
    """

    table: HudiTable
    turn_seconds: float = 0.0


def maintain(
    spark: SparkSession,
    tables: Callable[[], Sequence[Maintained]],
    stop: Stop,
    *,
    job: str,
    every_seconds: float | None,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Done]:
    """See to the services of tables, once or until asked to stop; return what was done, by base path.

    Delivery: rows stay as they are, whenever it dies: what was half-done is rolled back and done by the next run, or by
        the job. Of several such processes one at a time works on a table.

    Args:
        spark: The session.
        tables: Gives the tables; asked before each round, since a template's may have become more.
        stop: Asks to stop after the step in hand.
        job: The job's name.
        every_seconds: From the end of one round to the next; None: one round.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: With one round: a service failed, or a table can't be read. What was done stands.
    """
    total: dict[str, Done] = {}
    while not stop.made:
        for each in tables():
            if stop.made:
                break
            done = total.setdefault(each.table.base_path, Done())
            try:
                found = see_to(spark, each, job=job, is_wanted=lambda: not stop.made, on_step=on_step)
            except StreamJoinError as error:
                if every_seconds is None or not error.retryable:
                    raise
                log.warning("job=%s %s; it is tried again in %g s", job, error, every_seconds)
                continue
            done.add(found)
            if found.seconds:
                log.info("job=%s table at %s: %s", job, each.table.base_path, found)
        if every_seconds is None:
            break
        stop.wait(every_seconds)
    return total


def see_to(
    spark: SparkSession,
    maintained: Maintained,
    *,
    job: str,
    is_wanted: Callable[[], bool] = lambda: True,
    on_step: Callable[[str], None] = lambda step: None,
) -> Done:
    """Do what is due for one table.

    What only the table's writer may do (plans, archiving, joining of small files) is done if no job is running, or in
    a turn of one that gives turns.

    Raises:
        SinkError: As `maintain`.
    """
    # Beside nothing that it could hold up, a step may be larger.
    table, done = replace(maintained.table, served_by="maintain"), Done()
    if not Timeline.read(*open_path(table.base_path)).commits:
        return done
    try:
        with services_lock(table, job) as lock:
            goes_on = False
            while is_wanted():
                found = _as_writer(spark, replace(maintained, table=table), goes_on, done, job=job, on_step=on_step)
                done.add(carry_out(spark, table, lock.check, on_step=on_step, is_wanted=is_wanted))
                if not found:
                    break
                goes_on = True
    except HeldError as error:
        log.info("job=%s %s", job, error)
    return done


def _as_writer(
    spark: SparkSession,
    maintained: Maintained,
    goes_on: bool,
    done: Done,
    *,
    job: str,
    on_step: Callable[[str], None],
) -> bool:
    """Do what only the writer of the table may; return whether a further round is due."""
    table, client = maintained.table, ServiceClient(spark, maintained.table)
    try:
        with TableLock(table.base_path, job=f"{job} (maintain)", wait_seconds=maintained.turn_seconds):
            repair(table.base_path)
            rhythm, found = Rhythm.of(table), _timeline(table)
            for instant in found.replacements:
                with done.timed("clustering"):
                    done.joined += client.finish_joining(instant)
            if found.replacements:
                found = _timeline(table)
            if found.unfinished:
                log.info(
                    "job=%s table at %s: commit %s was broken off; the job's next start rolls it back, and until then "
                    "nothing is planned",
                    *(job, table.base_path, found.unfinished[0]),
                )
                return False
            if rhythm.archives(found) and not goes_on:
                with done.timed("archiving"):
                    client.archive()
                on_step("archived")
            is_joined = False
            if table.has_free_files:
                with done.timed("clustering"):
                    joined = client.join_files(is_asked=True)
                done.joined, is_joined = done.joined + joined, joined > 0
                on_step("joined")
            if rhythm.compacts(found) or (goes_on and rhythm.compaction and not found.compactions):
                with done.timed("planning"):
                    planned = client.plan_compaction(goes_on=goes_on)
                on_step("planned")
                return is_joined or (planned is not None and not planned.is_whole)
            return is_joined
    except HeldError:
        # The job that is running plans.
        return False


def _timeline(table: HudiTable) -> ServiceTimeline:
    return ServiceTimeline.read(*open_path(table.base_path))
