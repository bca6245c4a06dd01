"""Run a job, and end when its Java has ended too: only then the class archive that Java was told to write is there."""

import sys

from pyspark import SparkContext

from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config

run(load_config(sys.argv[1]), until_caught_up=True)
context = SparkContext._active_spark_context
gateway = context._gateway
context.stop()
gateway.shutdown()
gateway.proc.stdin.close()
sys.exit(gateway.proc.wait(300))
