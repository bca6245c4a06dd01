"""AWS Glue 5.0, as far as it can be had here: what it brings for Python, its pip, its arguments, its Hudi 0.15.0."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream, create_table
from streamjoin.spark.java import certificates, java_home
from streamjoin.spark.session import HUDI_PACKAGE
from streamjoin.verify import verify
from tests.distributions import dist, fetched
from tests.e2e.cluster import SPARK_HOME
from tests.e2e.job_file import ROOT, submit_settings
from tests.e2e.scenario import BAD, COUNTRIES, Scenario, committed_counts, events
from tests.integration.capture.capturing import Capture, Captured, entry, live
from tests.oracle import EVENT_SCHEMA, expected_table
from tests.small_tables import ONE_BUCKET

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Glue's wheels are for Python 3.11")

MOVING = {"sink.hudi.partition_by": [{"name": "dt", "from": "day", "format": "yyyyMMdd"}]}
FIXED = {
    "sink.hudi.partition_by": [{"name": "dt", "from": "first_day", "format": "yyyyMMdd"}],
    "sink.hudi.partitions": "fixed",
    # One batch: its rows are updated by Hudi 1.0.2 alone.
    "limits.max_records_per_batch": 1000,
}


def merged_on_read(deltas: int) -> dict[str, Any]:
    """Return what makes a table merge-on-read, with its logs compacted after so many commits."""
    options = {**ONE_BUCKET, "hoodie.compact.inline.max.delta.commits": str(deltas)}
    return {"sink.hudi.table_type": "MERGE_ON_READ", "sink.hudi.options": options}


LAYOUTS: dict[str, dict[str, Any]] = {
    # Without options of an index its rows are told their files.
    "cow": {"sink.hudi.options": {}},
    "cow-moving": MOVING,
    "cow-fixed": FIXED,
    # The first commit has no rows: so the one is compacted by Hudi 0.15.0, the next by 1.0.2, and the last never.
    "mor": merged_on_read(3),
    "mor-moving": MOVING | merged_on_read(4),
    "mor-fixed": FIXED | merged_on_read(20),
}
# Of the first batch, and of the second; then of Hudi 1.0.2's.
FIRST, SECOND, THIRD = 60, 30, 40
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


def uv(*arguments: str) -> str:
    return subprocess.run([dist.UV, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@dataclass(frozen=True)
class Place:
    """An environment of its own."""

    python: str

    @classmethod
    def make(cls, folder: Path) -> "Place":
        uv("venv", "--quiet", "--python", sys.executable, str(folder))
        return cls(str(folder / "bin" / "python"))

    def install(self, *arguments: str) -> None:
        uv("pip", "install", "--quiet", "--python", self.python, *arguments)

    def run(self, *arguments: str) -> str:
        return subprocess.run(
            [self.python, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=plain()
        ).stdout

    def packages(self) -> dict[str, str]:
        listed = json.loads(uv("pip", "list", "--format", "json", "--python", self.python))
        return {each["name"]: each["version"] for each in listed}


def plain() -> dict[str, str]:
    """Return the environment without what it says to Python: neither this checkout nor its bytecode."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def versions(path: Path) -> dict[str, str]:
    """Return the versions of a list in scripts/glue."""
    return dict(line.split("==") for line in path.read_text().splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def wheels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the bundle for Glue 5.0, as `make dist` makes it; return its folder."""
    folder = tmp_path_factory.mktemp("bundle")
    with ZipFile(dist.bundle("5.0", wheel, fetched("5.0"))) as archive:
        archive.extractall(folder)
    return folder / "wheels"


@pytest.fixture(scope="module")
def glue(wheels: Path, pytestconfig: pytest.Config) -> Iterator[Place]:
    """What Glue 5.0 has for Python, as far as the package needs it, and the bundle, as its own pip installs that."""
    locked, provided = versions(dist.locked("5.0")), versions(dist.provided("5.0"))
    # On the disk of the cache, whose files are linked.
    with tempfile.TemporaryDirectory(dir=pytestconfig.cache.mkdir("places")) as folder:
        place = Place.make(Path(folder) / "venv")
        brought = [f"{name}=={provided[name]}" for name in (locked.keys() & provided.keys()) - {"pip"}]
        place.install("--find-links", str(fetched("5.0")), "--no-deps", f"pip=={provided['pip']}", *brought)
        offline = ["--no-index", "--find-links", str(wheels), "--no-compile", "--quiet"]
        place.run("-m", "pip", "install", *offline, "--requirement", str(wheels / "requirements.txt"))
        yield place


@pytest.mark.parametrize("release", dist.RELEASES)
def test_what_is_locked_resolves_to_wheels_for_glue_beside_what_glue_brings(release: str) -> None:
    locked = dist.locked(release).read_text()
    assert dist.resolve(release, locked) == locked, "run: python scripts/dist.py --resolve"


def test_an_empty_environment_needs_nothing_but_the_bundle(wheels: Path, wheel: Path, tmp_path: Path) -> None:
    found = ["--no-index", "--find-links", str(wheels), "--python", sys.executable, str(wheels / "requirements.txt")]
    form = ["--quiet", "--no-header", "--no-annotate", "--output-file", str(tmp_path / "found.txt")]
    uv("pip", "compile", *form, *found)
    version = wheel.name.split("-")[1]
    assert versions(tmp_path / "found.txt") == versions(dist.locked("5.0")) | {"streamjoin": version}


def test_glues_own_pip_installs_the_bundle_and_replaces_nothing_that_glue_brings(glue: Place) -> None:
    provided, found = versions(dist.provided("5.0")), glue.packages()
    assert found.keys() == {*versions(dist.locked("5.0")), "streamjoin", "pip"}
    assert {"boto3", "numpy", "pandas", "pip", "pyarrow", "urllib3"} <= found.keys() & provided.keys()
    assert {name: found[name] for name in found.keys() & provided.keys()}.items() <= provided.items()
    assert "Job 'orders'" in glue.run("-m", "streamjoin", "validate", str(ROOT / "conf/enrich_orders.yaml"))
    glue.run("-c", "import streamjoin.replicate.pipeline")


def test_the_lock_of_a_table_on_s3_is_by_conditions_though_glues_boto3_has_no_parameters_for_them(
    stack: LocalStack, glue: Place
) -> None:
    aws_client("s3").create_bucket(Bucket="glue-locks")
    assert glue.run("-c", LOCK).splitlines() == ["boto3 1.34.131", "taken", "released"]


def put(scenario: Scenario, count: int, seed: int) -> int:
    """Send events; return how many. Bad ones to one of the jobs alone: a table of dead letters takes its time."""
    payloads = events(count, seed)
    if scenario.name != "glue-cow":
        payloads = [(key, data) for key, data in payloads if data not in BAD]
    scenario.put([(key, data if data in BAD else with_days(data)) for key, data in payloads])
    return len(payloads)


def with_days(data: bytes) -> bytes:
    """Give an event one of two days, to which its row moves, and one of two that its key has from the first."""
    event = json.loads(data)
    days = {"day": event["amount"] % 2, "first_day": int(event["id"][1:]) % 2}
    return json.dumps(event | {name: f"2010-01-0{number + 1}" for name, number in days.items()}).encode()


def test_each_table_type_and_layout_is_begun_with_hudi_0_15_as_glue_5_0_has_it_and_goes_on_with_1_0_2(
    spark: SparkSession, glue: Place, tmp_path: Path
) -> None:
    schema = {"payload.schema": f"{EVENT_SCHEMA}, day string, first_day string"}
    limits = {"limits.max_records_per_batch": FIRST}
    scenarios = [
        Scenario(tmp_path, f"glue-{name}", f"{tmp_path}/{name}", {**schema, **limits, **changes})
        for name, changes in LAYOUTS.items()
    ]
    sent = {scenario.name: put(scenario, FIRST + SECOND, seed=3) for scenario in scenarios}
    changed, captures = two_captures(tmp_path)
    submit(glue, [("enrich_stream", scenario.config) for scenario in scenarios] + captures, tmp_path / "glue.log")
    for name, _ in captures:
        assert Capture(f"{tmp_path}/{name}", {}, []).items("glue-items") == changed.scan()
    for scenario in scenarios:
        # Later releases say with which one a table was begun.
        assert "initial.version" not in Path(scenario.base, "t", ".hoodie", "hoodie.properties").read_text()
        scenario.check()
    compacted = {scenario.name for scenario in scenarios if compactions(scenario)}
    assert compacted == {"glue-mor"}
    for scenario in scenarios:
        more = put(scenario, THIRD, seed=4)
        assert run(load_config(scenario.config), until_caught_up=True).records == more
        scenario.check()
        check_by_hudi(spark, scenario)
        found = verify(f"{scenario.base}/t", f"{scenario.base}/dead")
        assert found.holds, "\n".join(found.lines())
        *before, last = [counts["read"] for counts in committed_counts(f"{scenario.base}/t") if counts["read"]]
        assert (len(before), sum(before), last) == (2 - ("fixed" in scenario.name), sent[scenario.name], more)
    compacted = {scenario.name for scenario in scenarios if compactions(scenario)}
    assert compacted == {"glue-mor", "glue-mor-moving"}


def compactions(scenario: Scenario) -> list[Path]:
    """Return the compactions of a table that are done: other commits have no such plan."""
    timeline = Path(scenario.base, "t", ".hoodie")
    return [found for found in timeline.glob("*.commit") if [*timeline.glob(f"{found.stem}.compaction.requested")]]


def check_by_hudi(spark: SparkSession, scenario: Scenario) -> None:
    """Compare a table with the oracle's, as Hudi itself reads it."""
    expected = expected_table(scenario.records(), COUNTRIES).rows
    columns = ("id", "country", "at", "amount", "combinedname", "_ordering_us")
    read = spark.read.format("hudi").load(f"{scenario.base}/t").select(*columns).collect()
    assert len(read) == len(expected)
    assert {row.id: row.asDict() for row in read} == expected


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
    settings = {**submit_settings(), "spark.sql.shuffle.partitions": "1"}
    command = [
        *(str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[1]"),
        *("--packages", HUDI_PACKAGE.format(version="0.15.0")),
        *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
        str(ROOT / "tests" / "e2e" / "glue_launch.py"),
        *(word for script, config in jobs for word in (str(ROOT / "jobs" / f"{script}.py"), str(config))),
    ]
    environ = plain() | {"JAVA_HOME": java_home(), "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": glue.python}
    # It is Java that fetches this Hudi.
    environ["SPARK_SUBMIT_OPTS"] = " ".join([environ.get("SPARK_SUBMIT_OPTS", ""), *certificates()])
    with log.open("wb") as output:
        ended = subprocess.run(
            command, check=False, env=environ, cwd=log.parent, stdout=output, stderr=output, timeout=300
        )
    assert ended.returncode == 0, log.read_text()
