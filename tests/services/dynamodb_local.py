"""DynamoDB Local, Amazon's own stand-in for DynamoDB and its Streams, for the length of a `with` block.

Its jars come once from Maven Central into `~/.ivy2/dynamodb-local-…`, by the Ivy that pyspark bundles, so that neither
Maven nor a Java of the machine's own is needed. It runs in memory, sends no telemetry, and ends with this process.

By itself it listens on all interfaces. So it isn't started by its command line but by py4j, which pyspark bundles too:
that makes the same server in a Java process of ours and sets the loopback address, and a free port, before it listens.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3
import pyspark
from botocore.config import Config
from py4j.java_gateway import GatewayParameters, JavaGateway

from streamjoin.local.processes import stop_process
from streamjoin.spark.java import java_home, java_options
from tests.services.fetching import fetched_once
from tests.start_up import JAVA_OPTIONS

VERSION = "2.6.1"
HOST = "127.0.0.1"
FETCH_TIMEOUT_SECONDS = 600.0
READY_TIMEOUT_SECONDS = 60.0

_PYSPARK_JARS = Path(pyspark.__file__).parent / "jars"
_PACKAGE = "com.amazonaws.services.dynamodbv2.local"


@dataclass(frozen=True)
class DynamoDbLocal:
    """A running DynamoDB Local. All credentials and regions see the same tables.

    Args:
        endpoint: Its URL, for DynamoDB and for its Streams.
        pid: Its process.
    """

    endpoint: str
    pid: int

    def client(self, service: str) -> Any:
        """Return boto3's client of `dynamodb` or `dynamodbstreams`."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="streamjoin",
            aws_secret_access_key="streamjoin",  # noqa: S106  (any will do)
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, max_pool_connections=16, proxies={}),
        )

    def rotate_shards(self) -> None:
        """Close the open shard of every stream and open one that follows it, as the service does every four hours."""
        self._control(ACTION={"S": "ROLLOVER"})

    def age(self, hours: int) -> None:
        """Make streams, shards and records older; iterators expire."""
        self._control(ACTION={"S": "DILATE_TIME"}, HOURS={"S": str(hours)})

    def _control(self, **item: Any) -> None:
        self.client("dynamodb").put_item(TableName="[TEST_CONTROL]", Item=item)


@contextmanager
def dynamodb_local(home: str | None = None, cache: Path | None = None) -> Iterator[DynamoDbLocal]:
    """Start DynamoDB Local on a free port of the loopback interface and stop it at the end.

    Args:
        home: The Java to use. Default: as for Spark.
        cache: Where fetched jars are kept. Default: Spark's, `~/.ivy2`.

    Raises:
        RuntimeError: It could not be fetched, or was not ready in time.
    """
    java = str(Path(home or java_home()) / "bin" / "java")
    jars = fetch(java, cache or Path.home() / ".ivy2")
    classpath = os.pathsep.join(map(str, [*sorted(jars.glob("*.jar")), *_PYSPARK_JARS.glob("py4j-*.jar")]))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [
                *(
                    java,
                    *java_options(),
                    *JAVA_OPTIONS.split(),
                    f"-Dsqlite4java.library.path={jars}",
                    "-Xmx512m",
                    "-cp",
                    classpath,
                ),
                *("py4j.GatewayServer", "--die-on-broken-pipe", "--enable-auth", "0"),
            ],
            # The kernel closes this pipe when we end, however we end; that is its order to stop.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            gateway = _gateway(process, output)
            try:
                yield DynamoDbLocal(f"http://{HOST}:{_listen(gateway)}", process.pid)
            finally:
                gateway.shutdown()
        finally:
            stop_process(process)


def fetch(java: str, cache: Path) -> Path:
    """Return the folder of the jars and of SQLite's native library, fetched on the first call.

    Raises:
        RuntimeError: They could not be fetched.
    """
    return fetched_once(cache / f"dynamodb-local-{VERSION}", lambda folder: _fetch(java, cache, folder))


def _fetch(java: str, cache: Path, folder: Path) -> Path:
    command = [
        *(java, *java_options(), "-jar", str(next(_PYSPARK_JARS.glob("ivy-*.jar")))),
        *("-cache", str(cache / "cache"), "-dependency", "com.amazonaws", "DynamoDBLocal", VERSION),
        # Without `-confs`, sources and documentation would come too.
        *("-confs", "default", "-types", "jar", "bundle", "so", "dylib", "-warn"),
        *("-retrieve", f"{folder}/[artifact]-[revision].[ext]"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0 or not (folder / f"DynamoDBLocal-{VERSION}.jar").exists():
        message = f"DynamoDB Local {VERSION} could not be fetched from Maven Central: {done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return folder


def _gateway(process: subprocess.Popen[bytes], output: IO[bytes]) -> JavaGateway:
    """Return our hold on the Java process, once it has written its port and its secret."""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines(keepends=True)
        if len(lines) >= 2 and lines[1].endswith("\n"):
            break
        if process.poll() is not None or time.monotonic() > deadline:
            message = (
                f"expected DynamoDB Local {VERSION} within {READY_TIMEOUT_SECONDS:.0f} s, found exit code "
                f"{process.poll()} and the output: {''.join(lines) or 'none'}"
            )
            raise RuntimeError(message)
        time.sleep(0.02)
    port, secret = lines[0].strip(), lines[1].strip()
    # Without memory management: else each Java object that Python forgets would be a call after the end.
    parameters = GatewayParameters(
        port=int(port), auth_token=secret, read_timeout=READY_TIMEOUT_SECONDS, enable_memory_management=False
    )
    return JavaGateway(gateway_parameters=parameters)


def _listen(gateway: JavaGateway) -> int:
    """Start the server on loopback and return its port; what its constructors don't offer is set in its fields."""
    arguments = ["-inMemory", "-sharedDb", "-disableTelemetry"]
    java_arguments = gateway.new_array(gateway.jvm.java.lang.String, len(arguments))
    for index, argument in enumerate(arguments):
        java_arguments[index] = argument
    local = getattr(gateway.jvm, f"{_PACKAGE}.main.ServerRunner")
    server = local.createServerFromCommandLineArgs(java_arguments)
    connector = _field(server, server.getClass(), "server").getConnectors()[0]
    connector.setHost(HOST)
    connector.setPort(0)
    handler = _field(server, server.getClass(), "serverHandler")
    requests = _field(handler, handler.getClass().getSuperclass(), "primaryHandler")
    # Its own test controls, which rotate shards and let time pass; no option of its command line reaches them.
    control = requests.getClass().getDeclaredField("isTestControlEnabled")
    control.setAccessible(True)
    control.setBoolean(requests, True)
    # Unlike `start`, this also starts no telemetry.
    server.safeStart()
    return int(connector.getLocalPort())


def _field(owner: Any, of_class: Any, name: str) -> Any:
    found = of_class.getDeclaredField(name)
    found.setAccessible(True)
    return found.get(owner)
