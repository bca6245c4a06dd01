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
    code = exit_code_of(lambda: _run_from_catalog(found) if from_catalog else run_job(config_argument(found), job=job))
    # Glue takes any SystemExit, even of 0, for a failed run.
    if code:
        sys.exit(code)


def _run_from_catalog(arguments: Sequence[str]) -> None:
    if importlib.util.find_spec("awsglue") is None:
        message = "Glue's own source: 'awsglue' is not there: Glue alone has it. Elsewhere run jobs/enrich_stream.py"
        raise SourceError(message)
    from awsglue.context import GlueContext  # noqa: PLC0415  (on Glue alone)
    from awsglue.utils import getResolvedOptions  # noqa: PLC0415
    from pyspark import SparkContext  # noqa: PLC0415

    options = getResolvedOptions(list(arguments), ["config", "JOB_NAME", "TempDir"])
    settings = load_config(options["config"])
    configure_logging(form=settings.logging.format)
    checkpoint = f"{options['TempDir'].rstrip('/')}/{options['JOB_NAME']}/checkpoint/"
    glue = GlueContext(SparkContext.getOrCreate())
    import_module("streamjoin.enrich.from_catalog").run(settings, glue, checkpoint)


def config_argument(arguments: Sequence[str]) -> str:
    """Return the value of `--config`; what else Glue passes to a script is left alone.

    Args:
        arguments: As `sys.argv`, the script's name first.
    """
    if importlib.util.find_spec("awsglue") is not None:
        from awsglue.utils import getResolvedOptions  # noqa: PLC0415  (on Glue alone)

        return str(getResolvedOptions(list(arguments), ["config"])["config"])
    parser = argparse.ArgumentParser(prog=Path(arguments[0]).name, allow_abbrev=False)
    parser.add_argument("--config", required=True)
    return str(parser.parse_known_args(arguments[1:])[0].config)
