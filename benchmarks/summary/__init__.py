"""`make bench`: every goal of the project measured, checked against the oracle, and on one page."""
