"""Requests to S3 of a steady batch, of small tables and of large ones."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from pyspark.sql import SparkSession

from benchmarks.expectation import named
from benchmarks.our_way import OurWay
from benchmarks.summary.by_rows import Wide, wide
from benchmarks.summary.figures import REQUESTED, Found
from benchmarks.summary.request_count import RequestCount, counted_requests
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.tables import path_of
from benchmarks.summary.wide_orders import ITEMS, RECORDS, wide_config
from benchmarks.variants import timed
from benchmarks.workload import fill
from streamjoin.aws.clients import aws_client

BUCKET = "bench"
_UPLOADS = 8
_ENDPOINT = "AWS_ENDPOINT_URL_S3"


def measure(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Copy tables to S3, let each take batches, and count.

    Args:
        spark: A session that has S3.
        sizes: Of the tables.
        directory: Where they lie.
    """
    found, batches = Found(details={"requests": {}}), sizes.counted_batches
    # The first writes what the others find.
    warmup = min(1, sizes.table_warmup)
    with counted_requests(os.environ["AWS_ENDPOINT_URL"]) as (endpoint, count):
        os.environ[_ENDPOINT] = endpoint
        spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", endpoint)  # noqa: SLF001
        fill(ITEMS)
        aws_client("s3").create_bucket(Bucket=BUCKET)
        for kind, layout in REQUESTED:
            counted = {}
            for rows in (sizes.few_rows, sizes.many_rows):
                table = wide(kind, layout, rows)
                table = replace(table, orders=replace(table.orders, stream_name=f"{table.orders.stream_name}-s3"))
                counted[rows], problems = _counted(spark, table, (warmup, batches), directory, count)
                found.problems += named(table.name, problems)
                by_kind = {name: round(number / batches, 1) for name, number in counted[rows].most_common()}
                found.details["requests"][table.name] = by_kind
                print(f"{table.name}: {by_kind}", file=sys.stderr)
            few, many = (counted[rows].total() for rows in (sizes.few_rows, sizes.many_rows))
            found.values |= {
                f"ratio {kind} {layout}": many / few,
                f"number {kind} {layout}": many / batches,
            }
    return found


def _counted(
    spark: SparkSession, table: Wide, rounds: tuple[int, int], directory: str, count: RequestCount
) -> tuple[Counter[str], list[str]]:
    orders, (warmup, batches) = table.orders, rounds
    local = Path(path_of(directory, table.kind, table.layout, orders.rows))
    base_path = f"s3://{BUCKET}/{local.name}"
    with _uncounted():
        _upload(local, orders.stream_name)
    orders.create_stream()
    counted = Counter[str]()
    way = OurWay(spark, wide_config(orders.stream_name, base_path, table.kind, table.layout))
    try:
        for number in range(warmup + batches):
            way.idle()
            orders.send(number)
            count.take()
            batch = timed(way)
            requests = count.take()
            if number >= warmup:
                counted += requests
            if batch.records != RECORDS:
                return counted, [f"batch {number + 1}: expected {RECORDS:,} records, found {batch.records}"]
    finally:
        way.close()
    with _uncounted():
        problems = orders.problems(base_path, warmup + batches, by_day=table.layout != "flat")
        _delete(local.name)
    return counted, problems


@contextmanager
def _uncounted() -> Iterator[None]:
    """Go to the emulator itself, which is sooner there, for the length of a `with` block."""
    counting = os.environ.pop(_ENDPOINT)
    try:
        yield
    finally:
        os.environ[_ENDPOINT] = counting


def _upload(local: Path, stream_name: str) -> None:
    client = boto3.client("s3")

    def put(path: Path) -> None:
        content = path.read_bytes()
        if path.name.endswith("commit"):
            # The first one says that the job reads another stream, which has the table's name.
            content = content.replace(local.name.encode(), stream_name.encode())
        client.put_object(Bucket=BUCKET, Key=f"{local.name}/{path.relative_to(local)}", Body=content)

    # Hadoop writes checksums on a local disk alone.
    paths = [path for path in local.rglob("*") if path.is_file() and path.suffix != ".crc"]
    with ThreadPoolExecutor(_UPLOADS) as pool:
        list(pool.map(put, paths))


def _delete(name: str) -> None:
    """Delete a table: the emulator has all objects in memory."""
    client: Any = boto3.client("s3")
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{name}/"):
        keys = [{"Key": each["Key"]} for each in page["Contents"]]
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
