"""Rehearse a deployment on this machine: `make rehearse`.

The very templates, environment and configuration of `make deploy`, on emulators: deployed, looked at by the doctor as
the job's role, run, its reference changed, its catalog, rows and metrics looked at, destroyed.

Exit code: 0 all of it held; 1 a step failed, and says why; 2 the environment's file is wrong.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from streamjoin.errors import StreamJoinError
from streamjoin.local.rehearsal.steps import Rehearsal
from streamjoin.process import exit_code_of
from streamjoin.stacks.environment import Environment

ROOT = Path(__file__).resolve().parents[1]
LOG_LINES = 15


def rehearse(env: str) -> None:
    """Take all steps with an environment of this repository; after a failure, show the end of the job's log."""
    environment = Environment.read(ROOT / "infra" / "environments", env)
    with tempfile.TemporaryDirectory(prefix="streamjoin-rehearsal-") as folder:
        rehearsal = Rehearsal(environment, ROOT, Console(), Path(folder))
        try:
            rehearsal.run()
        except StreamJoinError:
            if rehearsal.log.exists():
                lines = rehearsal.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                print("\n".join(["The end of the job's log:", *lines]), file=sys.stderr)
            raise


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="dev", help="name of a file of infra/environments/")
    given = parser.parse_args()
    sys.exit(exit_code_of(lambda: rehearse(given.env)))


if __name__ == "__main__":
    main()
