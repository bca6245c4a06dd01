"""Deploy an environment of infra/environments/ENV.yaml, or destroy it: `make deploy`, `make destroy`.

Exit code: 0 done; 1 something failed, said by resource and reason; 2 the environment's file, or a job's, is wrong.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from streamjoin.aws.clients import aws_client
from streamjoin.errors import StackError
from streamjoin.process import exit_code_of
from streamjoin.stacks.deployment import Deployment
from streamjoin.stacks.destruction import destroy, plan
from streamjoin.stacks.environment import Environment
from streamjoin.stacks.events import Event

ROOT = Path(__file__).resolve().parents[1]
# The rest is on its way: what it comes to is told.
SHOWN = ("_COMPLETE", "_FAILED", "_SKIPPED")
NEXT = """
Next, each in docs/deploy.md:
  streamjoin config-from-stack {name} -o orders.yaml && streamjoin doctor orders.yaml
  aws stepfunctions start-execution --state-machine-arn {workflow}
"""


def teller(say: Callable[[str], None]) -> Callable[[Event], None]:
    """Return what tells the events of a stack, each on a line with the seconds since the first."""
    moments = list[datetime]()
    latest = dict[str, str]()

    def tell(event: Event) -> None:
        moments.append(event.moment)
        # Of a stack in the stack both itself and the one around it tell.
        is_new, latest[event.place] = latest.get(event.place) != event.status, event.status
        if is_new and event.status.endswith(SHOWN):
            mark = "✗" if event.has_failed else "✓"
            say(f"  {(event.moment - moments[0]).total_seconds():5.0f} s  {mark} {event.status.ljust(24)} {event}")

    return tell


def deploy(env: str, release: str | None) -> None:
    """Deploy the repository as it is, or an earlier release, and say what is next."""
    from dist import build  # noqa: PLC0415  (beside this script)

    deployment = of_environment(env)
    if release is None:
        print("building the wheel")
        build(ROOT / "dist")
    deployment.deploy(release)
    outputs = deployment.outputs()
    print(NEXT.format(name=deployment.environment.name, workflow=outputs["Workflow"]), end="")


def destroy_environment(env: str, *, is_sure: bool) -> None:
    """Say what would go, ask, and destroy it."""
    deployment = of_environment(env)
    lines = plan(deployment)
    if lines is None:
        region = aws_client("cloudformation").meta.region_name
        print(f"there is no stack '{deployment.environment.name}' in region '{region}': nothing to do")
        return
    print("\n".join(["This destroys:", *(f"  {each}" for each in lines)]))
    if not is_sure and not _agreed(deployment.environment.name):
        raise StackError("nothing was destroyed")
    kept = destroy(deployment)
    if kept:
        print("\n".join(["Kept, and yours to delete:", *(f"  {each}" for each in kept)]))


def of_environment(env: str, say: Callable[[str], None] = print) -> Deployment:
    """Return the deployment of an environment of this repository."""
    environment = Environment.read(ROOT / "infra" / "environments", env)
    return Deployment(environment, ROOT, version("streamjoin"), say, teller(say))


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        message = f"to destroy '{name}' without being asked: make destroy ENV=… YES=1"
        raise StackError(message)
    return input(f"Type the stack's name to go on ({name}): ").strip() == name


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["deploy", "destroy"])
    parser.add_argument("--env", default="dev", help="name of a file of infra/environments/")
    parser.add_argument("--release", help="deploy: one that was deployed before, as the bucket of artefacts names it")
    parser.add_argument("--yes", action="store_true", help="destroy: don't ask")
    given = parser.parse_args()
    if given.what == "deploy":
        sys.exit(exit_code_of(lambda: deploy(given.env, given.release or None)))
    sys.exit(exit_code_of(lambda: destroy_environment(given.env, is_sure=given.yes)))


if __name__ == "__main__":
    main()
