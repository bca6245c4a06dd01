"""Sample data, made up and real."""
