"""`make bench-scale`: what a batch takes as one thing grows."""
