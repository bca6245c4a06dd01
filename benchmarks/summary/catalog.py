"""What `catalog: glue` adds to a batch that brings it nothing new: tables on S3 with it and without, in turns."""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pyspark.sql import SparkSession

from benchmarks.glue_catalog import moto_server
from benchmarks.our_way import OurWay, job_config
from benchmarks.summary.figures import TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import ITEMS, RECORDS, details, take_turns
from benchmarks.variants import Steady, Variant
from benchmarks.workload import Workload, fill
from streamjoin.aws.clients import aws_client

BUCKET = "bench-catalog"
_ENDPOINT = "AWS_ENDPOINT_URL_GLUE"


def measure(spark: SparkSession, sizes: Sizes) -> Found:
    """Measure steady batches with the catalog and without it.

    Args:
        spark: A session that has S3.
        sizes: How many batches.
    """
    fill(ITEMS)
    aws_client("s3").create_bucket(Bucket=BUCKET)
    # The other parts have warmed Java.
    warmup = 0 if sizes.is_shared else 1
    rounds = [*range(warmup + sizes.rounds)]
    variants, ways = list[Variant](), dict[str, Steady]()
    with _catalog():
        for kind in TYPES:
            for catalog in ("none", "glue"):
                name = f"{kind} {catalog}"
                given = Workload(name.replace(" ", "-").lower(), ITEMS, RECORDS)
                given.create_stream()
                config = job_config(given.stream_name, f"s3://{BUCKET}/{given.stream_name}", kind)
                hudi = config["sink"]["hudi"]
                hudi |= {"catalog": catalog, "table_name": given.stream_name.replace("-", "_")}
                variants.append(Variant(name, rounds, warmup))
                way = OurWay(spark, config)
                ways[name] = Steady(way, given.send, partial(given.check, way.base_path, len(rounds)))
        problems = take_turns(variants, ways, RECORDS)
        entered = {table["Name"] for table in aws_client("glue").get_tables(DatabaseName="default")["TableList"]}
    if entered != {"copy_on_write_glue", "merge_on_read_glue_ro", "merge_on_read_glue_rt"}:
        problems.append(f"expected an entry of each table in the catalog, found {sorted(entered)}")
    seconds = {variant.name: variant.seconds for variant in variants}
    values = {
        kind: statistics.median(
            glue / none for glue, none in zip(seconds[f"{kind} glue"], seconds[f"{kind} none"], strict=True)
        )
        for kind in TYPES
    }
    return Found(values=values, problems=problems, details=details(variants))


@contextmanager
def _catalog() -> Iterator[None]:
    """Run a catalog, to which this process talks until the block ends."""
    with moto_server() as endpoint:
        os.environ[_ENDPOINT] = endpoint
        try:
            yield
        finally:
            del os.environ[_ENDPOINT]
