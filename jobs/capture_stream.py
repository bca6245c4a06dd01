"""Glue entry script of the job `capture`; the same file runs under spark-submit.

--config PATH_OR_S3   the job's YAML file
--JOB_NAME NAME       given by Glue
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence

from streamjoin.entry import exit_code_of, run_capture


def config_of(arguments: Sequence[str]) -> str:
    """Return the value of `--config`; whatever else Glue passes to a script is left alone.

    Args:
        arguments: As `sys.argv`, the script's name first.
    """
    if importlib.util.find_spec("awsglue") is not None:
        from awsglue.utils import getResolvedOptions  # noqa: PLC0415  (on Glue alone)

        return str(getResolvedOptions(list(arguments), ["config"])["config"])
    parser = argparse.ArgumentParser(prog="capture_stream.py", allow_abbrev=False)
    parser.add_argument("--config", required=True)
    return str(parser.parse_known_args(arguments[1:])[0].config)


if __name__ == "__main__":
    code = exit_code_of(lambda: run_capture(config_of(sys.argv)))
    # Glue takes any SystemExit, even of 0, for a failed run.
    if code:
        sys.exit(code)
