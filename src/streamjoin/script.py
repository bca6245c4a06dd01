"""What the entry scripts of all jobs have in common; it alone knows Glue's own Python."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from streamjoin.entry import load_config, run_job
from streamjoin.errors import SourceError
from streamjoin.process import configure_logging, exit_code_of


def run_script(job: str | None = None, arguments: Sequence[str] | None = None, *, from_catalog: bool = False) -> None:
    """Be the entry script of a `job`: on Glue, under spark-submit, or with plain Python; and `streamjoin-job`.

    Args:
        job: What `job:` in the file must be. Default: any.
        arguments: The script's name and what follows it. Default: those of the process.
        from_catalog: Whether Glue itself reads the stream, as a table of the catalog describes it.
    """
    found = sys.argv if arguments is None else arguments
    code = exit_code_of(lambda: _run_from_catalog(found) if from_catalog else run_job(_config(found), job=job))
    # Glue takes any SystemExit, even of 0, for a failed run.
    if code:
        sys.exit(code)


def _run_from_catalog(arguments: Sequence[str]) -> None:
    if importlib.util.find_spec("awsglue") is None:
        message = "Glue's own source: 'awsglue' is not there: Glue alone has it. Elsewhere run jobs/enrich_stream.py"
        raise SourceError(message)
    from awsglue.context import GlueContext  # noqa: PLC0415  (on Glue alone)
    from pyspark import SparkContext  # noqa: PLC0415

    given = job_arguments(arguments, "config", "JOB_NAME", "TempDir")
    settings = load_config(given["config"])
    configure_logging(form=settings.logging.format)
    checkpoint = f"{given['TempDir'].rstrip('/')}/{given['JOB_NAME']}/checkpoint/"
    glue = GlueContext(SparkContext.getOrCreate())
    import_module("streamjoin.enrich.from_catalog").run(settings, glue, checkpoint)


def _config(arguments: Sequence[str]) -> str:
    return job_arguments(arguments, "config")["config"]


def job_arguments(arguments: Sequence[str], *names: str) -> dict[str, str]:
    """Return the values of the arguments `--NAME`; what else Glue passes to a script is left alone.

    Not by `awsglue.utils`: it takes `--conf`, an argument of Glue's own jobs, for a short form of `--config`.

    Args:
        arguments: As `sys.argv`, the script's name first.
        names: Of the arguments that must be there.

    Raises:
        SystemExit: One is missing; 2, as of any wrong usage.
    """
    parser = argparse.ArgumentParser(prog=Path(arguments[0]).name, allow_abbrev=False)
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    return {name: str(value) for name, value in vars(parser.parse_known_args(arguments[1:])[0]).items()}
