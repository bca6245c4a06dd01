"""A Spark that runs the tasks of a lookup right here."""

import pickle
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pyarrow as pa
from pyspark.sql import Row
from pyspark.sql import types as T

from streamjoin.spark.schema import to_arrow


class FakeEvents:
    """A frame of events whose `mapInArrow` runs each task here, with a function that made the trip to an executor."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], schema: T.StructType, tasks: int = 1) -> None:
        self.rows, self.schema, self.tasks = list(rows), schema, tasks

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)

    def where(self, condition: str) -> "FakeEvents":
        column, _, is_null = condition.partition(" ")
        assert is_null == "IS NULL"
        return FakeEvents([row for row in self.rows if row[column] is None], self.schema)

    def selectExpr(self, *expressions: str) -> "FakeEvents":
        pairs = [expression.rsplit(" AS ", 1) for expression in expressions]
        names = {new: old.strip("`") for old, new in pairs}
        fields = [T.StructField(new, self.schema[old].dataType) for new, old in names.items()]
        rows = [{new: row[old] for new, old in names.items()} for row in self.rows]
        return FakeEvents(rows, T.StructType(fields))

    def dropna(self) -> "FakeEvents":
        return FakeEvents([row for row in self.rows if None not in row.values()], self.schema)

    def repartition(self, tasks: int, *columns: str) -> "FakeEvents":
        assert set(columns) == set(self.columns)
        return FakeEvents(self.rows, self.schema, tasks)

    def mapInArrow(self, work: Any, schema: T.StructType) -> "FakeFetched":
        work = pickle.loads(pickle.dumps(work))  # noqa: S301  (our own)
        results: list[Any] = []
        for task in range(self.tasks):
            mine = [row for row in self.rows if crc32(repr(sorted(row.items())).encode()) % self.tasks == task]
            halves = [mine[: len(mine) // 2], mine[len(mine) // 2 :]]
            batches = [pa.RecordBatch.from_pylist(each, schema=to_arrow(self.schema)) for each in halves]
            for batch in work(iter(batches)):
                assert batch.schema == to_arrow(schema)
                for row in batch.to_pylist():
                    end = None if row["end"] is None else Row(**row["end"])
                    results.append(
                        (row["item"] if row["item"] is None else bytearray(row["item"]), row["read_at"], end)
                    )
        return FakeFetched(results)


class FakeFetched:
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def collect(self) -> list[Any]:
        return self.rows


class FakeSide:
    """The frame that events are joined with."""

    def __init__(self, rows: list[Any], schema: Any) -> None:
        self.rows, self.schema = rows, schema
        self.is_freed = False

    def coalesce(self, partitions: int) -> "FakeSide":
        return self

    def unpersist(self) -> "FakeSide":
        self.is_freed = True
        return self


class FakeSession:
    """Makes frames of few rows; has so many cores, and so many tasks after a shuffle."""

    def __init__(self, cores: int = 1, shuffle_partitions: int = 1) -> None:
        self.sparkContext = SimpleNamespace(defaultParallelism=cores)
        self.conf = {"spark.sql.shuffle.partitions": str(shuffle_partitions)}

    def createDataFrame(self, rows: Any, schema: Any) -> FakeSide:
        return FakeSide(rows if isinstance(rows, list) else list(rows.itertuples(False, None)), schema)
