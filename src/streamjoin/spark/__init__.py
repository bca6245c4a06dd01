"""Spark itself: sessions, frames, and columns in its own types."""
