"""AWS Glue 5.0, as far as it can be had here: what it brings for Python, its pip, its arguments, its Hudi 0.15.0."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from packaging.version import Version
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream, create_table
from streamjoin.spark.java import java_home
from streamjoin.spark.session import HUDI_PACKAGE
from streamjoin.verify import verify
from tests.distributions import dist
from tests.e2e.cluster import SPARK_HOME
from tests.e2e.job_file import ROOT
from tests.e2e.scenario import BAD, Scenario, committed_counts, events
from tests.integration.capture.capturing import Capture, Captured, entry, live
from tests.oracle import EVENT_SCHEMA
from tests.small_tables import ONE_BUCKET

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Glue's wheels are for Python 3.11")

DAYS = {
    "payload.schema": f"{EVENT_SCHEMA}, day string",
    "sink.hudi.partition_by": [{"name": "dt", "from": "day", "format": "yyyyMMdd"}],
}
MERGE_ON_READ = {"sink.hudi.table_type": "MERGE_ON_READ"}
LAYOUTS: dict[str, dict[str, Any]] = {
    # Without options of an index its rows are told their files.
    "cow": {"sink.hudi.options": {}},
    "cow-days": DAYS,
    "mor": {**MERGE_ON_READ, "sink.hudi.options": {**ONE_BUCKET, "hoodie.compact.inline.max.delta.commits": "2"}},
    "mor-days": {**DAYS, **MERGE_ON_READ},
}
LOCK = """
import logging, sys
import boto3
from streamjoin.lock.table_lock import TableLock
logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
print("boto3", boto3.__version__)
with TableLock("s3://glue-locks/t", job="glue") as lock:
    lock.check()
    print("taken")
print("released")
"""


@dataclass(frozen=True)
class Place:
    """An environment of its own."""

    bin: Path

    @classmethod
    def make(cls, folder: Path) -> "Place":
        subprocess.run([dist.UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        return cls(folder / "bin")

    @property
    def python(self) -> str:
        return str(self.bin / "python")

    def install(self, *arguments: str) -> None:
        subprocess.run([dist.UV, "pip", "install", "--quiet", "--python", self.python, *arguments], check=True)

    def run(self, *command: str) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = (str(self.bin / command[0]), *command[1:])
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout

    def packages(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.run("python", "-c", _VERSIONS))
        return found


_VERSIONS = (
    "import json; from importlib.metadata import distributions as every; from sys import stdout; "
    "json.dump({each.name.lower().replace('_', '-'): each.version for each in every()}, stdout)"
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the bundle for Glue 5.0, as `make dist` makes it; return its folder."""
    folder = tmp_path_factory.mktemp("dist")
    with ZipFile(dist.bundle("5.0", dist.build(folder))) as archive:
        archive.extractall(folder)
    return folder / "wheels"


@pytest.fixture(scope="module")
def glue(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """What Glue 5.0 has for Python, as far as the package needs it, and the bundle, as its own pip installs that."""
    provided = {line for line in dist.provided("5.0").read_text().splitlines() if not line.startswith("#")}
    shared = provided & {*dist.locked("5.0").read_text().splitlines()}
    (pip,) = (line for line in provided if line.startswith("pip=="))
    place = Place.make(tmp_path_factory.mktemp("glue") / "venv")
    place.install("--no-index", "--find-links", str(wheels), "--no-deps", *shared)
    place.install(pip)
    before = place.packages()
    offline = ["--no-index", "--find-links", str(wheels), "--no-compile", "--quiet", "--disable-pip-version-check"]
    place.run("python", "-m", "pip", "install", *offline, "--requirement", str(wheels / "requirements.txt"))
    after = place.packages()
    assert before.keys() >= {"boto3", "numpy", "pandas", "pyarrow", "urllib3"}
    assert {name: after[name] for name in before} == before, "what Glue brings has been replaced"
    assert {"streamjoin", "pydantic", "pymysql"} <= after.keys() - before.keys()
    place.run("python", "-m", "pip", "check")
    yield place


@pytest.mark.parametrize("release", dist.RELEASES)
def test_what_is_locked_resolves_to_wheels_for_glue_beside_what_glue_brings(release: str) -> None:
    locked = dist.locked(release).read_text()
    assert dist.resolve(release, locked) == locked, "run: python scripts/dist.py --resolve"


def test_an_empty_environment_needs_nothing_but_the_bundle(wheels: Path, tmp_path: Path) -> None:
    place = Place.make(tmp_path / "venv")
    place.install("--no-index", "--find-links", str(wheels), "--requirement", str(wheels / "requirements.txt"))
    assert "Usage: streamjoin" in place.run("streamjoin", "--help")
    assert "Job 'orders'" in place.run("streamjoin", "validate", str(ROOT / "conf/enrich_orders.yaml"))
    place.run("python", "-c", "import streamjoin.entry, streamjoin.script, streamjoin.replicate.pipeline")
    wanted = dict(line.split("==") for line in dist.locked("5.0").read_text().splitlines())
    found = {name: version for name, version in place.packages().items() if name != "streamjoin"}
    assert {name: Version(version) for name, version in found.items()} == {n: Version(v) for n, v in wanted.items()}


def test_the_lock_of_a_table_on_s3_is_by_conditions_though_glues_boto3_has_no_parameters_for_them(
    stack: LocalStack, glue: Place
) -> None:
    aws_client("s3").create_bucket(Bucket="glue-locks")
    said = glue.run("python", "-c", LOCK)
    assert said.splitlines() == ["boto3 1.34.131", "taken", "released"]


def by_day(payloads: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Bring events to three days, and give each its day; rows move between them."""
    for key, data in payloads:
        event = json.loads(data)
        month, day, _ = event["at"].split("/")
        number = int(day) % 3 + 1
        moved = {**event, "at": f"{month}/{number}/10", "day": f"2010-01-{number:02}"}
        yield key, json.dumps(moved).encode()


def put(scenario: Scenario, count: int, seed: int) -> int:
    """Send events; bad ones to one of the jobs alone, since a table of dead letters takes its time. Return how many."""
    payloads = events(count, seed)
    if scenario.name != "glue-cow":
        payloads = [(key, data) for key, data in payloads if data not in BAD]
    scenario.put([*by_day(payloads)] if scenario.name.endswith("days") else payloads)
    return len(payloads)


def test_each_table_type_and_layout_is_begun_with_hudi_0_15_as_glue_5_0_has_it_and_goes_on_with_1_0_2(
    spark: SparkSession, glue: Place, tmp_path: Path
) -> None:
    scenarios = [Scenario(tmp_path, f"glue-{name}", f"{tmp_path}/{name}", changes) for name, changes in LAYOUTS.items()]
    sent = {scenario.name: put(scenario, 150, seed=3) for scenario in scenarios}
    changed, captures = two_captures(tmp_path)
    jobs = [("enrich_stream", scenario.config) for scenario in scenarios] + captures
    submit(glue, jobs, tmp_path / "glue.log")
    for name, _ in captures:
        assert Capture(f"{tmp_path}/{name}", {}, []).items("glue-items") == changed.scan()
    for scenario in scenarios:
        # Later releases say with which one a table was begun.
        assert "initial.version" not in Path(scenario.base, "t", ".hoodie", "hoodie.properties").read_text()
        scenario.check()
    assert [*Path(scenarios[2].base, "t", ".hoodie").glob("*.commit")], "rows of the one without days were compacted"
    for scenario in scenarios:
        more = put(scenario, 60, seed=4)
        assert run(load_config(scenario.config), until_caught_up=True).records == more
        scenario.check()
        found = verify(f"{scenario.base}/t", f"{scenario.base}/dead")
        assert found.holds, "\n".join(found.lines())
        reads = [counts["read"] for counts in committed_counts(f"{scenario.base}/t")]
        assert [read for read in reads if read] == [100, sent[scenario.name] - 100, more]


def two_captures(folder: Path) -> tuple[Captured, list[tuple[str, Path]]]:
    """Change a DynamoDB table; return it, and the scripts of a capture and of a backfill of it with configurations."""
    create_stream(aws_client("kinesis"), "glue-changes", 2)
    create_table(aws_client("dynamodb"), "glue-items", {"id": "S"})
    changed = Captured("glue-items")
    changed.forward_to("glue-changes")
    live(changed, seed=5)
    sources = {
        "capture_stream": {"kinesis": {"stream_name": "glue-changes"}},
        "backfill": {"dynamodb_table": {"table_name": "glue-items"}},
    }
    jobs = []
    for script, source in sources.items():
        document = {
            "job": script.removesuffix("_stream"),
            "name": script,
            "source": source,
            "tables": [entry("glue-items", f"{folder}/{script}")],
            "dead_letters": {"base_path": f"{folder}/{script}/dead"},
        }
        config = folder / f"{script}.yaml"
        config.write_text(yaml.safe_dump(document))
        jobs.append((script, config))
    return changed, jobs


def submit(glue: Place, jobs: Sequence[tuple[str, Path]], log: Path) -> None:
    """Run entry scripts with their configurations, one after the other, as Glue would."""
    settings = {
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.ui.enabled": "false",
        "spark.jars.ivy": str(Path.home() / ".ivy2"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "WARN",
        "spark.sql.shuffle.partitions": "1",
    }
    command = [
        *(str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[1]"),
        *("--packages", HUDI_PACKAGE.format(version="0.15.0")),
        *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
        str(ROOT / "tests" / "e2e" / "glue_launch.py"),
        *(word for script, config in jobs for word in (str(ROOT / "jobs" / f"{script}.py"), str(config))),
    ]
    own = {"JAVA_HOME": java_home(), "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": glue.python}
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | own
    with log.open("wb") as output:
        ended = subprocess.run(
            command, check=False, env=environ, cwd=log.parent, stdout=output, stderr=output, timeout=300
        )
    assert ended.returncode == 0, log.read_text()
