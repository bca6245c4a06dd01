"""Reference tables of DynamoDB as versioned snapshots."""
