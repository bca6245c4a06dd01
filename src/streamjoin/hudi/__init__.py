"""Hudi tables: written, and their timeline read and mended."""
