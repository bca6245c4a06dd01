"""Streams, read in batches with positions."""
