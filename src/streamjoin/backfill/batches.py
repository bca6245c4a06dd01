"""Staged files in their order, and how many of them become rows in one commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from streamjoin.aws.storage import as_hadoop_path
from streamjoin.dynamodb.read.item_files import ITEM, ItemFolder, Segment
from streamjoin.kinesis.plan import BatchLimits


@dataclass(frozen=True)
class StagedPart:
    """One staged file: where it is, its items, and their size, packed."""

    path: str
    items: int
    bytes: int


def parts_of(folder: ItemFolder, segments: Iterable[Segment]) -> list[StagedPart]:
    """Return the files of finished segments, always in the same order: a number says which of them are done."""
    return [
        StagedPart(path, file.items, file.bytes)
        for segment in sorted(segments, key=lambda each: each.segment)
        for path, file in zip(folder.paths(segment), segment.files, strict=True)
    ]


def next_parts(left: Sequence[StagedPart], limits: BatchLimits) -> Sequence[StagedPart]:
    """Return as many of `left` as fit into the limits, the first in any case."""
    items = size_bytes = 0
    for index, part in enumerate(left):
        items, size_bytes = items + part.items, size_bytes + part.bytes
        if index and (items > limits.records or size_bytes > limits.bytes):
            return left[:index]
    return left


def items_of(spark: SparkSession, parts: Sequence[StagedPart]) -> DataFrame:
    """Return the items of the files, which must be some. Columns out: `item` (binary, as `dynamodb.pack` makes it)."""
    return spark.read.schema(f"{ITEM} binary").parquet(*(as_hadoop_path(part.path) for part in parts))
