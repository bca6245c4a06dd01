"""The configuration of `job: backfill`."""
