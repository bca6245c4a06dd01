"""How a job is, from what it leaves behind: ledger or journal, and its lock; without Spark, and without its source."""
