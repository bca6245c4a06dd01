"""What streamjoin costs: a folder a question, beside the files that they share. See README.md."""
