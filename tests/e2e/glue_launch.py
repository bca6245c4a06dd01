"""Run entry scripts as AWS Glue does: by `runpy`, in one Python that a Java has started; any SystemExit is a failure.

Submitted by `spark-submit`, whose Java opens a gateway and names it in the environment of this process. How Glue's own
launcher does it is not published; scripts of AWS's begin with `SparkContext()`, so Java and its gateway are there by
then, and no context is.

`glue_launch.py SCRIPT CONFIG SCRIPT CONFIG...`, by a Python that knows nothing of the tests; each job runs until it is
caught up.
"""

import functools
import runpy
import sys
from collections.abc import Mapping, Sequence

# What Glue puts on the command line of a streaming job besides the job's own arguments.
GLUE_ARGUMENTS: Mapping[str, str] = {
    "job-bookmark-option": "job-bookmark-disable",
    "JOB_ID": "j_1",
    "JOB_RUN_ID": "jr_1",
    "JOB_NAME": "orders",
    "TempDir": "s3://bucket/temporary/",
    "enable-metrics": "true",
    "datalake-formats": "hudi",
    "conf": "spark.serializer=org.apache.spark.serializer.KryoSerializer --conf spark.task.maxFailures=8",
    "additional-python-modules": "s3://bucket/streamjoin-0.1.0-glue-5.1.gluewheels.zip",
    "python-modules-installer-option": "--no-index",
    "extra-py-files": "s3://bucket/streamjoin-0.1.0.zip",
}


def as_argv(arguments: Mapping[str, str]) -> list[str]:
    """Return the words of a command line, with one that stands alone, as Glue has them too."""
    return ["true", *(word for name, value in arguments.items() for word in (f"--{name}", value))]


def main(words: Sequence[str]) -> None:
    import streamjoin.script  # noqa: PLC0415  (the tests take the arguments alone)

    streamjoin.script.run_job = functools.partial(streamjoin.script.run_job, until_caught_up=True)
    for script, config in zip(words[::2], words[1::2], strict=True):
        sys.argv = [script, "--config", config, *as_argv(GLUE_ARGUMENTS)]
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            message = f"Glue takes SystemExit {end.code} for a failed run"
            raise RuntimeError(message) from end


if __name__ == "__main__":
    main(sys.argv[1:])
