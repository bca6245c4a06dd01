"""A page with plots of what a job has done: of what `status` reads, and of the files of its tables; without Spark."""
