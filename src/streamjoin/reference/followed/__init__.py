"""A reference held whole and kept current from its table's stream."""
