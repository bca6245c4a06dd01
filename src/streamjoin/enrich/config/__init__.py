"""The configuration of `job: enrich`."""
