"""A table's own stream of changes, read by shards."""
