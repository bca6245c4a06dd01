"""The job `replicate`: rows of MySQL, kept as items of DynamoDB."""
