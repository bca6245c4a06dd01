"""Run jobs one after the other in one process, so that Spark starts once: pairs of a kind and a configuration.

In the file of recorded calls a line with the job's kind stands before its calls.
"""

import json
import os
import sys

from streamjoin.entry import run_job

arguments = sys.argv[1:]
for job, config in zip(arguments[::2], arguments[1::2], strict=True):
    with open(os.environ["STREAMJOIN_CALLS"], "a") as calls:
        calls.write(json.dumps({"job": job}) + "\n")
    run_job(config, job=job, until_caught_up=job != "backfill")
