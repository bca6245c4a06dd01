"""SQL on Hudi tables, without Spark and without Java: hudi-rs reads them into Arrow, DuckDB queries that."""

from streamjoin.query.query import query
from streamjoin.query.reading import read_table, storage_options
from streamjoin.query.sql import run_sql

__all__ = ["query", "read_table", "run_sql", "storage_options"]
