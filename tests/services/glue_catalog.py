"""A Glue Data Catalog for tests, that of the benchmarks."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.glue_catalog import moto_server
from streamjoin.aws.clients import aws_client
from tests.start_up import variables


@contextmanager
def glue_catalog() -> Iterator[str]:
    """Run a catalog, to which this process and whatever it starts talks until the block ends; gives its endpoint."""
    with moto_server() as endpoint, glue_at(endpoint):
        yield endpoint


@contextmanager
def glue_at(endpoint: str) -> Iterator[None]:
    """Let clients of Glue that are made from now on talk to `endpoint`."""
    with variables({"AWS_ENDPOINT_URL_GLUE": endpoint}):
        aws_client.cache_clear()
        yield
    aws_client.cache_clear()
