"""The job `backfill`: what was in a table before its capture began."""
