"""The environment of every process that a test starts; the one Spark and the embedded services of all tiers."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.start_up import class_archive_in, folder_in_memory, quick_variables, reading_archive, variables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from streamjoin.local.mariadb import MariaDb
    from streamjoin.local.stack import LocalStack

# Timings are never asserted, neither by Hypothesis. The same examples each time, so that a change is judged by what it
# changes; new ones are drawn by `make explore`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """Put all that tests and their processes write into memory, unless a place for it is named."""
    folder = folder_in_memory()
    if folder is not None and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None


@pytest.fixture(scope="session", autouse=True)
def quick_processes(pytestconfig: pytest.Config) -> Iterator[None]:
    with variables(quick_variables(pytestconfig.cache.mkdir("start_up"))):
        yield


@pytest.fixture(scope="session")
def class_archive(quick_processes: None, pytestconfig: pytest.Config) -> Iterator[None]:
    """Let Java take its classes from an archive, which the first run makes; without one it is slower."""
    archive = class_archive_in(pytestconfig.cache.mkdir("start_up"))
    with variables({} if archive is None else reading_archive(archive)):
        yield


@pytest.fixture(scope="session")
def stack() -> "Iterator[LocalStack]":
    """Embedded services that this process, and whatever it starts, talks to."""
    from streamjoin.local.stack import LocalStack  # noqa: PLC0415  (the unit tier has none)

    with LocalStack() as running, running.active():
        yield running


@pytest.fixture(scope="session")
def mysql80() -> "Iterator[MariaDb]":
    """MySQL 8.0.12 with the first system's settings; a test of it is skipped if it can't run."""
    from tests.services.mysql_programs import MYSQL_80, running  # noqa: PLC0415  (the unit tier has none)

    yield from running(MYSQL_80)


@pytest.fixture(scope="session")
def mysql57() -> "Iterator[MariaDb]":
    """MySQL 5.7.22, likewise."""
    from tests.services.mysql_programs import MYSQL_57, running  # noqa: PLC0415  (the unit tier has none)

    yield from running(MYSQL_57)


@pytest.fixture(scope="session")
def spark(class_archive: None, stack: "LocalStack") -> "Iterator[SparkSession]":
    """One session for all tiers, which knows the services' S3: a Java takes no further jars."""
    from streamjoin.spark.session import HUDI_VERSION, local_session  # noqa: PLC0415  (the unit tier has none)

    # Compiled expressions earn nothing on ten rows: without, a test takes an eighth less. Jobs as processes have them.
    settings = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    # One task at a time: two test processes share two cores; with two tasks each all took a fifth longer.
    # Several at a time are shown by the jobs as processes, and by the cluster.
    hudi = os.environ.get("TEST_HUDI_VERSION", HUDI_VERSION)
    session = local_session("streamjoin-tests", cores=1, s3=True, hudi_version=hudi, settings=settings)
    cheapen(session)
    yield session
    session.stop()


def cheapen(session: Any) -> None:
    """Leave out what a commit of ten rows pays for most, and needs for nothing."""
    jvm = session.sparkContext._jvm
    # Hudi sends all of Hadoop's settings with each task; two thirds are YARN's and MapReduce's. Each of these classes,
    # when it is loaded, brings back all of them: so they come first.
    jvm.org.apache.hadoop.mapred.JobConf()
    jvm.org.apache.hadoop.yarn.conf.YarnConfiguration()
    jvm.org.apache.hadoop.hdfs.HdfsConfiguration.init()
    settings = session._jsc.hadoopConfiguration()
    for prefix in ("yarn.", "mapreduce."):
        for name in list(settings.getPropsWithPrefix(prefix)):
            settings.unset(f"{prefix}{name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long the tests of each tier took; of two processes both count."""
    seconds, tests = Counter[str](), Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                tier = "/".join(report.nodeid.split("/")[:2])
                seconds[tier] += report.duration
                tests[tier] += report.when == "call"
    for tier, took in seconds.items():
        terminalreporter.write_line(f"{tier}: {tests[tier]} tests, {took:.0f} s of test time")
