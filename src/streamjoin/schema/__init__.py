"""What columns are, as text, as a list or in a catalog: no Spark."""
