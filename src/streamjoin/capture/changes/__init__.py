"""Changes of items as rows: pure functions from frame to frame."""
