"""What a job does, in numbers for machines: one list of metrics, and the places that they go to."""
