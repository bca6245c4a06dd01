"""Places in a stream of shards, and which shard came from which."""
