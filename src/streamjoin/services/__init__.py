"""Table services beside the commits of a job: planned by who writes the table, carried out by one process at a time."""
