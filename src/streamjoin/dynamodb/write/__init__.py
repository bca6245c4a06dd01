"""Items written to DynamoDB tables, the newest version of each."""
