"""Whole jobs shown on this machine."""
