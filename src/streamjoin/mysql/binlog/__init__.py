"""The binlog, byte by byte."""
