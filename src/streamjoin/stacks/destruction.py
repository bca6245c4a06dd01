"""An environment destroyed: its jobs stopped, its buckets emptied where it may be, its stacks deleted."""

import time
from collections.abc import Callable
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import code_of
from streamjoin.errors import StackError
from streamjoin.progress import progress
from streamjoin.stacks.artefacts import calling
from streamjoin.stacks.deployment import Deployment
from streamjoin.stacks.emptying import count_versions, empty
from streamjoin.stacks.events import Event
from streamjoin.stacks.stack import outputs_of

_JOBS: Final = ("EnrichJob", "CaptureJob", "BackfillJob", "ReplicateJob")
_RUNNING: Final = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
_STOPPING_SECONDS: Final = 300.0


def plan(deployment: Deployment) -> list[str] | None:
    """Return what would be destroyed, and what would stay, line by line; None: there is nothing.

    Raises:
        StackError: The service can't be asked, or a stack of this name is another's.
    """
    lines = list[str]()
    for _, stack in deployment.described():
        lines.append(f"stack '{stack['StackName']}' ({stack['StackStatus']}), with all that it has made")
        for bucket in _buckets(stack):
            count = count_versions(aws_client("s3"), bucket)
            lines.append(f"  bucket '{bucket}' with {count:,} versions of objects" + _fate(stack))
        if _keeps(stack):
            lines.append("  KeepData is Retain: buckets, tables and streams stay, and are named in the end")
    return lines or None


def destroy(
    deployment: Deployment,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Stop the jobs, empty the buckets that go with their stacks, delete the stacks.

    Args:
        deployment: Of which environment.
        clock: Seconds that never go back.
        sleep: Waits a number of seconds.

    Returns:
        What the stacks have left behind, because their templates retain it.

    Raises:
        StackError: Something couldn't be deleted; what is gone stays gone, and the same call goes on. Or a stack of
            this name is another's.
    """
    kept = list[str]()

    def tell(event: Event) -> None:
        if event.status == "DELETE_SKIPPED":
            kept.append(f"{event.type} '{event.physical}'")
        deployment.tell(event)

    for stack, found in deployment.described():
        _stop_jobs(found, deployment.say, clock, sleep)
        for bucket in [] if _keeps(found) else _buckets(found):
            with progress(f"Emptying {bucket}") as told:
                count = empty(aws_client("s3"), bucket, told)
            deployment.say(f"bucket '{bucket}' emptied: {count:,} versions of objects")
        stack.delete(tell)
        deployment.say(f"stack '{stack.name}' deleted")
    return kept


def _keeps(stack: dict[str, Any]) -> bool:
    given = {each["ParameterKey"]: each.get("ParameterValue") for each in stack.get("Parameters", ())}
    return bool(given.get("KeepData", "Retain") != "Delete")


def _fate(stack: dict[str, Any]) -> str:
    return ", which stays" if _keeps(stack) else ", all of which is deleted"


def _buckets(stack: dict[str, Any]) -> list[str]:
    """Return the buckets that the stack itself has made: those of its outputs, and no other."""
    own = {"LakeBucket"} if not stack["StackName"].endswith("-artefacts") else {"ArtefactsBucket"}
    return [value for key, value in outputs_of(stack).items() if key in own and value]


def _stop_jobs(
    stack: dict[str, Any], say: Callable[[str], None], clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Stop what runs: a job would write into the bucket while it is emptied."""
    glue = aws_client("glue")
    names = [value for key, value in outputs_of(stack).items() if key in _JOBS]
    for name in filter(None, names):
        running = _running(glue, name)
        if not running:
            continue
        with calling(f"stopping the Glue job '{name}'"):
            glue.batch_stop_job_run(JobName=name, JobRunIds=running)
        end = clock() + _STOPPING_SECONDS
        while _running(glue, name):
            if clock() > end:
                message = (
                    f"Glue job '{name}' has not stopped after {_STOPPING_SECONDS:.0f} s; stop its runs, then try again"
                )
                raise StackError(message)
            sleep(2.0)
        say(f"Glue job '{name}' stopped")


def _running(glue: Any, name: str) -> list[str]:
    try:
        with calling(f"looking for runs of the Glue job '{name}'"):
            runs = glue.get_job_runs(JobName=name)["JobRuns"]
    except StackError as error:
        if code_of(error) == "EntityNotFoundException":
            return []
        raise
    return [each["Id"] for each in runs if each["JobRunState"] in _RUNNING]
