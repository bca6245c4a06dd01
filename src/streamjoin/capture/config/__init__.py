"""The configuration of `job: capture`."""
