"""How fast the job `replicate` brings a MariaDB table and its changes to DynamoDB."""
