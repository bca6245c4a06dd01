"""One Spark for all tests of this tier."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from streamjoin.spark.session import local_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = local_session("streamjoin-tests", cores=2)
    yield session
    session.stop()
