"""What a large reference that changes costs, and how soon its changes are in rows already written."""
