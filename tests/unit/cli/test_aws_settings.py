"""Every command, on a machine whose settings for AWS are wrong, or whose services refuse or don't answer."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest
import typer
import yaml

from streamjoin.__main__ import main
from streamjoin.aws import storage
from streamjoin.aws.clients import aws_client
from streamjoin.cli import app
from streamjoin.kinesis.client import stream_client
from streamjoin.process import ExitCode
from streamjoin.spark import session
from tests.unit.conftest import BACKFILL, CAPTURE, EXAMPLE, example

ROOT = Path(__file__).resolve().parents[3]
LOGGED_OUT = (
    "[profile p]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n[sso-session s]\nsso_start_url=u\nsso_region=x"
)
GONE = None


class Service(BaseHTTPRequestHandler):
    """Stands for any service, to whose calls it answers with a page, or that the token has expired."""

    disable_nagle_algorithm = True
    is_page = False

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.is_page:
            self.send(200, "text/html", "<html>Please log in</html>")
        elif "x-amz-target" in self.headers:
            self.send(400, "application/x-amz-json-1.1", '{"__type": "ExpiredToken", "message": "because"}')
        else:
            error = "<Error><Code>ExpiredToken</Code><Message>because</Message></Error>"
            # S3 has none around it; CloudFormation, which is asked by a form, has one.
            is_form = "form" in self.headers.get("content-type", "")
            self.send(400, "application/xml", f"<ErrorResponse>{error}</ErrorResponse>" if is_form else error)

    def send(self, status: int, form: str, text: str) -> None:
        self.send_response(status)
        self.send_header("content-type", form)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        pass

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer


@dataclass(frozen=True)
class Kind:
    """One way in which a machine is set up wrongly, or a service doesn't do what is asked.

    Args:
        says: What each message has in it.
        names: What is to be set, named in each message.
        variables: What is set otherwise than it should be; SERVICE stands for the address of the stand-in.
        is_setting: Whether it is seen before anything is sent.
    """

    says: str
    names: str
    variables: dict[str, str | None]
    is_setting: bool = True


def answered(says: str, names: str, **variables: str | None) -> Kind:
    return Kind(says, names, variables, is_setting=False)


NOBODY = {"AWS_ACCESS_KEY_ID": GONE, "AWS_SECRET_ACCESS_KEY": GONE}
NO_REGION = Kind("no region is known for", "AWS_REGION", {"AWS_DEFAULT_REGION": GONE})
KINDS = {
    "no region": NO_REGION,
    "no such region": Kind("region 'at home!' of", "AWS_REGION", {"AWS_DEFAULT_REGION": "at home!"}),
    "no credentials": Kind("no credentials were found", "AWS_ACCESS_KEY_ID", NOBODY),
    "half of credentials": Kind("Partial credentials", "AWS_SECRET_ACCESS_KEY", {"AWS_SECRET_ACCESS_KEY": GONE}),
    "no such profile": Kind("profile (nobody) could not be found", "AWS_PROFILE", {"AWS_PROFILE": "nobody"}),
    "no file of profiles": Kind("Unable to parse config file", "~/.aws/config", {"AWS_CONFIG_FILE": "BROKEN"}),
    "no URL": Kind("Invalid endpoint: localhost:1", "AWS_ENDPOINT_URL", {"AWS_ENDPOINT_URL": "localhost:1"}),
    "no answer": answered("could not reach the service", "AWS_ENDPOINT_URL"),
    "a page": answered("a web page answered", "AWS_ENDPOINT_URL", AWS_ENDPOINT_URL="SERVICE"),
    "expired token": answered("ExpiredToken", "AWS_SESSION_TOKEN", AWS_ENDPOINT_URL="SERVICE"),
    "logged out": answered(
        "Error loading SSO Token", "credentials", **NOBODY, AWS_PROFILE="p", AWS_CONFIG_FILE="LOGGED_OUT"
    ),
}

REPLICATE: dict[str, Any] = {
    "job": "replicate",
    "name": "country",
    "source": {"mysql": {"host": "127.0.0.1", "port": 1, "user": "u", "password": "secret"}},
    "table_mappings": str(ROOT / "conf/dms/country_lookup.json"),
    "dead_letters": {"base_path": "s3://bucket/country_dead_letters"},
}
FILES = {
    "enrich": example({"sink.hudi.catalog": "glue", "sink.hudi.database": "sales"}),
    "capture": CAPTURE,
    "backfill": BACKFILL,
    "replicate": REPLICATE,
    "local": example({"sink.hudi.base_path": "lake/orders", "dead_letters.base_path": "lake/letters"}, EXAMPLE),
}
# What comes before the file of a job, the jobs that it knows, and what comes after.
OF_JOBS: list[tuple[str, list[str], list[str]]] = [
    ("run", [*FILES], []),
    ("status", ["enrich", "capture", "backfill", "replicate"], []),
    ("report", ["enrich", "capture", "backfill", "replicate"], ["-o", "report.html"]),
    ("doctor", ["local", "replicate"], ["--json"]),
    ("query", ["enrich", "capture", "backfill"], ["SELECT 1 FROM orders"]),
    ("verify", ["enrich", "capture", "replicate"], []),
    ("maintain", ["enrich", "capture"], ["--once"]),
    ("checkpoint show", ["enrich", "capture", "replicate"], []),
    ("checkpoint set", ["enrich", "capture"], ["--latest", "--yes"]),
    ("dead-letters list", ["enrich", "capture", "backfill", "replicate"], []),
    ("dead-letters redrive", ["enrich", "capture"], []),
    ("catalog sync", ["enrich"], []),
]
OTHERS = {
    "run": ["s3://bucket/job.yaml"],
    "validate": ["s3://bucket/job.yaml"],
    "query": ["s3://bucket/lake/orders", "SELECT 1 FROM t"],
    "produce": ["--stream-name", "orders", "--records", "1"],
    "seed-table": ["orders", "--table", "orders", "--records", "1"],
    "config-from-stack": ["streamjoin-dev"],
}
# They have services of their own, or none.
ELSEWHERE = {"demo", "schema", "local up", "local status", "local down"}


def names_of(command: Any, prefix: str = "") -> Iterator[str]:
    for name, each in command.commands.items():
        yield from names_of(each, f"{prefix}{name} ") if hasattr(each, "commands") else [f"{prefix}{name}"]


def test_no_command_is_left_out():
    named = {*(name for name, _, _ in OF_JOBS), *OTHERS, *ELSEWHERE}
    assert named == set(names_of(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def machine(buckets_are_asked, service, tmp_path, monkeypatch):
    """Return what sets this machine up for a kind of trouble, and gives the files of jobs."""
    monkeypatch.chdir(tmp_path)
    # The SDK's pauses between its tries.
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(session, "job_session", lambda *_, **__: pytest.fail("Spark was started first"))
    (tmp_path / "broken").write_text("[profile")
    (tmp_path / "logged_out").write_text(LOGGED_OUT)
    places = {"BROKEN": str(tmp_path / "broken"), "LOGGED_OUT": str(tmp_path / "logged_out")}
    files = {job: str(tmp_path / f"{job}.yaml") for job in FILES}
    for job, values in FILES.items():
        Path(files[job]).write_text(yaml.safe_dump(values))

    def set_up(kind: Kind) -> dict[str, str]:
        good = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "kept to itself",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        forget()
        for name in ("AWS_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**good, **kind.variables}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, places.get(value, value.replace("SERVICE", service)))
        return files

    yield set_up
    forget()


def forget() -> None:
    aws_client.cache_clear()
    stream_client.cache_clear()
    boto3.DEFAULT_SESSION = None
    storage._REGIONS.clear()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_set_wrongly_for_aws_is_told_by_every_command_with_what_to_set(machine, monkeypatch, capsys, kind):
    files = machine(kind)
    monkeypatch.setattr(Service, "is_page", kind is KINDS["a page"])
    commands = [(name, job, options) for name, jobs, options in OF_JOBS for job in jobs]
    for name, job, options in [*commands, *((name, None, options) for name, options in OTHERS.items())]:
        # A server of MySQL is asked before the services are.
        if (name, job) == ("run", "replicate") and not kind.is_setting:
            continue
        command = [*name.split(), *([files[job]] if job else []), *options]
        monkeypatch.setattr(sys, "argv", ["streamjoin", "--debug", *command])
        with pytest.raises(SystemExit) as end:
            main()
        answer = capsys.readouterr()
        said = answer.err + (answer.out if name == "doctor" else "")
        assert "kept to itself" not in said
        # S3 needs no region.
        if kind is NO_REGION and kind.says not in said:
            assert "could not reach" in said or "Could not connect" in said, (command, said)
            continue
        assert kind.says in said, (command, said)
        assert kind.names in said, (command, said)
        is_of_settings = kind.is_setting or options == ["s3://bucket/job.yaml"]
        expected = ExitCode.CONFIG if is_of_settings and name != "doctor" else ExitCode.FAILED
        assert end.value.code == expected, (command, said)


def test_the_region_may_be_in_the_variable_that_other_sdks_read(machine, monkeypatch):
    machine(NO_REGION)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert aws_client("kinesis").meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    forget()
    assert aws_client("kinesis").meta.region_name == "eu-west-2"


def test_a_role_is_assumed_in_the_region_of_what_it_is_for(machine):
    machine(NO_REGION)
    client = aws_client("kinesis", "eu-west-1", "arn:aws:iam::123456789012:role/reader", attempts=1)
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client.list_streams()
