"""Glue entry script of the job `enrich`; the same file runs under spark-submit.

--config PATH_OR_S3   the job's YAML file
--JOB_NAME NAME       given by Glue
"""

from streamjoin.script import run_script

if __name__ == "__main__":
    run_script("enrich")
