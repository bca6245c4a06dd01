"""The job `enrich`: events of a stream, joined with references, upserted into one table."""
