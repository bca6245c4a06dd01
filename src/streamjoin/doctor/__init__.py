"""What a job will meet where it is to run, looked at before it runs: each check by itself, with what to do."""
