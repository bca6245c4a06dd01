"""DynamoDB: its items, its values, its tables."""
