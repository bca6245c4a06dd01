"""The loop around a job's batches, and what the jobs of a stream share in it."""
