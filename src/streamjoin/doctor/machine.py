"""This machine: its clock, and the versions of what runs a job, beside those of AWS Glue.

Source of Glue's versions: docs.aws.amazon.com/glue/latest/dg/release-notes.html.
"""

import platform
import re
import subprocess
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import FAILURES, Finding, bad, good, unknown
from streamjoin.errors import StreamJoinError

# 5.0, then 5.1.
GLUE: Final = {
    "Python": ("3.11", "3.11"),
    "Java": ("17", "17"),
    "Spark": ("3.5.4", "3.5.6"),
    "Hudi": ("0.15.0", "1.0.2"),
}
# Of a request's signature the service takes five minutes; what counts as of a moment here has a margin of one.
_MOST_SKEW_SECONDS: Final = 30.0
_NO_DATE: Final = "Compare the clock with a time server's: by timedatectl or chronyc tracking."
_PYTHONS: Final = ("3.11", "3.12")


def versions(context: Context) -> Iterator[Finding]:
    """Compare Python, and for a job with Spark also Java, Spark and Hudi, with those of Glue 5.0 and 5.1."""
    python = platform.python_version()
    if python.rpartition(".")[0] in _PYTHONS:
        yield good("Python", _beside("Python", python))
    else:
        yield bad("Python", _beside("Python", python), "Take Python 3.11, which is Glue's, or 3.12.")
    if context.config.job == "replicate":
        return
    yield from _java()
    try:
        spark = version("pyspark")
    except PackageNotFoundError:
        yield unknown(
            "Spark", _beside("Spark", "none here"), "pip install 'streamjoin[local]', or run it where Spark is."
        )
        return
    yield from _spark(spark)
    from streamjoin.spark.session import HUDI_VERSION  # noqa: PLC0415  (it imports pyspark)

    yield good("Hudi", f"{_beside('Hudi', HUDI_VERSION)}; on a cluster its --packages or --datalake-formats decide")


def clock(context: Context) -> Iterator[Finding]:
    """Compare this machine's clock with the date that a service puts into its answers."""
    what = "clock"
    try:
        answer: dict[str, Any] = context.client("sts", None, None).get_caller_identity()
    except ClientError as error:
        # A refusal has a date too; a wrong clock is what some are for.
        answer = dict(error.response)
    except FAILURES as error:
        yield Finding.of_error(what, error, remedy=_NO_DATE, needed=False)
        return
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if date is None:
        yield unknown(what, "the service's answer has no date", _NO_DATE)
        return
    skew = context.now() - parsedate_to_datetime(date).timestamp()
    # The header has whole seconds.
    found = (
        "as the service's"
        if abs(skew) < 2
        else f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service's"
    )
    if abs(skew) > _MOST_SKEW_SECONDS:
        remedy = "Set it by a time server (chrony, systemd-timesyncd): retention and leases are judged by it."
        yield bad(what, found, remedy)
    else:
        yield good(what, found)


def _java() -> Iterator[Finding]:
    from streamjoin.spark.java import SUPPORTED_JAVA, java_home  # noqa: PLC0415  (spark/ is for jobs that have it)

    try:
        home = java_home()
        said = subprocess.run(  # noqa: S603  (a path that was found to be Java's)
            [str(Path(home) / "bin" / "java"), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (StreamJoinError, OSError, subprocess.SubprocessError) as error:
        yield Finding.of_error(
            "Java", error, remedy="Install Java 17, or pip install 'streamjoin[local]', which has it."
        )
        return
    found = re.search(r'version "([^"]+)"', said.stderr + said.stdout)
    java = found[1] if found else "unknown"
    major = java.removeprefix("1.").partition(".")[0]
    if major.isdigit() and int(major) in SUPPORTED_JAVA:
        yield good("Java", _beside("Java", java))
    else:
        yield bad("Java", _beside("Java", java), "Set JAVA_HOME to a Java 17.")


def _spark(spark: str) -> Iterator[Finding]:
    if spark.startswith("3.5."):
        yield good("Spark", _beside("Spark", spark))
    else:
        yield bad(
            "Spark", _beside("Spark", spark), "pip install 'pyspark==3.5.6': Hudi's bundle is made for Spark 3.5."
        )


def _beside(name: str, here: str) -> str:
    first, second = GLUE[name]
    glue = f"Glue 5.0 and 5.1 have {first}" if first == second else f"Glue 5.0 has {first}, 5.1 {second}"
    return f"{here}; {glue}"
