"""Glue entry script of the job `replicate`; the same file runs with plain Python, for it needs no Spark.

--config PATH_OR_S3   the job's YAML file
--JOB_NAME NAME       given by Glue
"""

from streamjoin.script import run_script

if __name__ == "__main__":
    run_script("replicate")
