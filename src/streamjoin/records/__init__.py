"""One record at a time: bytes to values."""
