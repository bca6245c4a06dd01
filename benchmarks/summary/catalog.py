"""What `catalog: glue` adds to a batch that brings it nothing new: tables on S3 with it and without, in turns."""

import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pyspark.sql import SparkSession

from benchmarks.our_way import OurWay, job_config
from benchmarks.summary.figures import TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import ITEMS, RECORDS, details, take_turns
from benchmarks.variants import Steady, Variant
from benchmarks.workload import Workload, fill
from streamjoin.aws.clients import aws_client
from streamjoin.local import tether
from streamjoin.local.processes import stop_process
from streamjoin.local.stack import HOST, free_port

BUCKET = "bench-catalog"
_ENDPOINT = "AWS_ENDPOINT_URL_GLUE"
_READY_SECONDS = 60.0


def measure(spark: SparkSession, sizes: Sizes, directory: str, endpoint: str) -> dict[str, Found]:
    """Measure steady batches with the catalog and without it.

    Args:
        spark: A session that has S3.
        sizes: How many batches.
        directory: Not used: the tables are on S3.
        endpoint: Not used: the reference is small.
    """
    del directory, endpoint
    fill(ITEMS)
    aws_client("s3").create_bucket(Bucket=BUCKET)
    rounds = [*range(sizes.warmup + 2 * sizes.rounds)]
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
                variants.append(Variant(name, rounds, sizes.warmup))
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
    return {"catalog": Found(values=values, problems=problems, details=details(variants))}


@contextmanager
def _catalog() -> Iterator[None]:
    """Run a Glue Data Catalog, to which this process talks until the block ends: moto's."""
    endpoint = f"http://{HOST}:{free_port()}"
    with tempfile.TemporaryFile() as log:
        process = tether.start("moto.server", "-H", HOST, "-p", endpoint.rpartition(":")[2], output=log)
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while not _answers(f"{endpoint}/moto-api/"):
                if process.poll() is not None or time.monotonic() > deadline:
                    message = f"moto gives no answer at '{endpoint}'"
                    raise RuntimeError(message)
                time.sleep(0.1)
            os.environ[_ENDPOINT] = endpoint
            yield
        finally:
            os.environ.pop(_ENDPOINT, None)
            stop_process(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own server)
            return bool(answer.status == 200)
    except OSError:
        return False
