"""The job `capture`: changes of DynamoDB tables, written to a table each."""
