"""What a job takes for its Spark when a launcher has started Java before it, as spark-submit and Glue do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from streamjoin.spark.java import java_home

PROGRAM = """
{before}
from streamjoin.spark.session import job_session
spark = job_session("orders", s3=False)
settings = [spark.conf.get(name) for name in ("spark.master", "spark.sql.session.timeZone")]
print("took", spark.sparkContext.applicationId, *settings, spark.createDataFrame([[1], [2]]).count())
"""


@pytest.fixture
def launcher() -> Iterator[Any]:
    """The gateway of a Java that is no Spark yet."""
    settings = {"spark.master": "local[1]", "spark.app.name": "launched", "spark.ui.enabled": "false"}
    settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    os.environ["JAVA_HOME"] = java_home()
    gateway = launch_gateway(SparkConf(loadDefaults=False).setAll([*settings.items()]), {"start_new_session": True})
    try:
        yield gateway
    finally:
        # By it Java ends.
        gateway.proc.stdin.close()
        gateway.proc.wait(60)


def run(launcher: Any, before: str = "") -> list[str]:
    """Run a job's beginning in a process of its own; return the application, its master and zone, and a count."""
    parameters = launcher.gateway_parameters
    named = {"PYSPARK_GATEWAY_PORT": str(parameters.port), "PYSPARK_GATEWAY_SECRET": parameters.auth_token}
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    environ = {**os.environ, **named, "PYSPARK_PYTHON": sys.executable}
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    return next(line for line in answer.stdout.splitlines() if line.startswith("took ")).split()[1:]


def test_a_job_takes_the_java_of_its_launcher_and_the_context_that_is_there(launcher: Any) -> None:
    # No context yet: it starts one in the launcher's Java, with the launcher's settings.
    application, *rest = run(launcher)
    assert rest == ["local[1]", "UTC", "2"]
    # One that Java has had since before this process: a second one would be refused.
    assert run(launcher) == [application, *rest]
    # One that whoever runs the script has made in Python.
    getattr(getattr(launcher.jvm.org.apache.spark, "SparkContext$"), "MODULE$").getActive().get().stop()
    other, *rest = run(launcher, "import os, pyspark; pyspark.SparkContext(); del os.environ['PYSPARK_GATEWAY_PORT']")
    assert other != application
    assert rest == ["local[1]", "UTC", "2"]
