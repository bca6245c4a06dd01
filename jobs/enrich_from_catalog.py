"""Glue entry script of the job `enrich` on Glue's own Kinesis source, described by a table of the catalog; Glue only.

--config PATH_OR_S3               the job's YAML file; its payload.schema is glue_catalog
--JOB_NAME NAME, --TempDir S3     given by Glue; the checkpoint lies below TempDir
"""

from streamjoin.script import run_script

if __name__ == "__main__":
    run_script("enrich", from_catalog=True)
