"""Avro without Spark: a schema to columns, and strict reading of one record's bytes.

fastavro reads schemas and tells their fingerprints. It doesn't read records: it takes a negative branch of a union or
symbol of an enum for the last one, any byte for a boolean, and rounds a decimal that is wider than its column.
"""
