"""One small job with made-up credentials and marked payloads: where they turn up, and what listens while it runs.

Each mark is a text that is nowhere else, so that finding it is proof.
"""

import base64
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import put_items
from streamjoin.query import query
from tests.e2e.job_file import ROOT
from tests.e2e.scenario import Scenario
from tests.integration.lock.listening import listening

# No digits alone: an access key of twelve would be an account of its own.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAMARKEDxKEYxID",
    "AWS_SECRET_ACCESS_KEY": "MARKEDxSECRETxKEYx7f3a",
    "AWS_SESSION_TOKEN": "MARKEDxSESSIONxTOKENx9b1c",
    "HIVE_PASSWORD": "MARKEDxHIVExPASSWORDx5d2e",
    "PEPPER_SECRET": "MARKEDxPEPPERx8c4f",
}
IN_ROWS = ("MARKEDxIDx1", "MARKEDxCOUNTRYx2", "MARKEDxATTRIBUTEx3")
IN_DEAD_LETTERS = (
    "MARKEDxCUTx4",
    "MARKEDxTYPEx5",
    "MARKEDxTIMEx6",
    "271828182845904523536",
    "MARKEDxARRAYx7",
    "MARKEDxEXPRESSIONx10",
)
IN_PARTITION_KEYS = ("MARKEDxPARTITIONxKEYx8",)
NOT_IN_THE_TABLE = ("MARKEDxUNDECLAREDx9",)
PAYLOADS = (*IN_ROWS, *IN_DEAD_LETTERS, *IN_PARTITION_KEYS, *NOT_IN_THE_TABLE)

EVENTS = [
    b'{"id": "MARKEDxIDx1", "country": "India", "at": "1/1/10", "amount": 1, "more": "MARKEDxUNDECLAREDx9"}',
    b'{"id": "b", "country": "MARKEDxCOUNTRYx2", "at": "1/1/10"}',
    b'{"id": "c", "country": "../../../../up", "at": "1/1/10"}',
    b'{"id": "d", "country": "..", "at": "1/1/10"}',
    b'{"id": "MARKEDxCUTx4',
    b'{"id": "e", "at": "1/1/10", "amount": "MARKEDxTYPEx5"}',
    b'{"id": "f", "country": "India", "at": "MARKEDxTIMEx6"}',
    b'{"id": "g", "at": "1/1/10", "amount": 271828182845904523536}',
    gzip.compress(b'["MARKEDxARRAYx7"]'),
    b'{"id": "h", "country": "%zzMARKEDxEXPRESSIONx10", "at": "1/1/10"}',
]
# As the command runs it, with our own loggers at DEBUG.
PROGRAM = """
import logging
from streamjoin.__main__ import main
logging.getLogger("streamjoin").setLevel(logging.DEBUG)
main()
"""


@dataclass(frozen=True)
class Finished:
    """A job that has ended: what it said, what it wrote, and the sockets on which it listened meanwhile."""

    scenario: Scenario
    code: int
    said: str
    listened: set[str]
    objects: Mapping[str, bytes] = field(default_factory=dict)

    def metadata(self) -> Iterator[tuple[str, bytes]]:
        """Yield what is written beside rows: Hudi's timeline, and our own state."""
        for key, content in self.objects.items():
            if "/.hoodie" in key or "/.streamjoin" in key:
                yield key, content


def run_job(scenario: Scenario, stack: LocalStack) -> Finished:
    log = scenario.folder / f"{scenario.name}.log"
    listened: set[str] = set()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "run", str(scenario.config), "--until-caught-up"],
            cwd=ROOT,
            env={**stack.environ(), **CREDENTIALS},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                # Also what the test itself started: the services, and the session of this tier if there is one.
                listened |= listening(os.getpid())
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Finished(scenario, process.returncode, log.read_text(), listened)


def objects_of(bucket: str) -> dict[str, bytes]:
    client = aws_client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


pytestmark = pytest.mark.usefixtures("class_archive")


@pytest.fixture(scope="module")
def finished(stack: LocalStack, class_archive: None, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    bucket = "security"
    aws_client("s3").create_bucket(Bucket=bucket)
    changes: dict[str, Any] = {
        "sink.hudi.partition_by": [{"name": "country"}],
        "output": {
            "derive": {"token": "sha2(concat('${PEPPER_SECRET}', id), 256)", "decoded": "url_decode(country)"},
        },
    }
    folder = tmp_path_factory.mktemp("security")
    scenario = Scenario(folder, "security", base=f"s3://{bucket}/lake/deep", changes=changes)
    # Of two items with one join key that with the lowest primary key is used, and the other named in the log.
    marked = {"code": "AA", "countryname": "India", "combinedname": "MARKEDxATTRIBUTEx3"}
    put_items(aws_client("dynamodb"), scenario.countries, [marked])
    scenario.put([("MARKEDxPARTITIONxKEYx8", payload) for payload in EVENTS])
    done = run_job(scenario, stack)
    assert done.code == 0, done.said
    return replace(done, objects=objects_of(bucket))


def test_the_marks_have_gone_where_they_belong(finished: Finished) -> None:
    rows = json.dumps(query(f"{finished.scenario.base}/t", "select * from t").to_pylist())
    letters = query(f"{finished.scenario.base}/dead", "select data, partition_key from t").to_pylist()
    data = b"".join(
        letter["data"] if letter["data"][:1] != b"\x1f" else gzip.decompress(letter["data"]) for letter in letters
    )
    assert [mark for mark in IN_ROWS if mark not in rows] == []
    assert [mark for mark in IN_DEAD_LETTERS if mark.encode() not in data] == []
    assert {letter["partition_key"] for letter in letters} == set(IN_PARTITION_KEYS)
    assert "job=security" in finished.said


def test_no_credential_is_in_logs_commits_state_or_rows(finished: Finished) -> None:
    secrets = [value for name, value in CREDENTIALS.items() if name != "AWS_ACCESS_KEY_ID"]
    encoded = [base64.b64encode(value.encode()).decode().rstrip("=") for value in secrets]
    assert [value for value in (*secrets, *encoded) if value in finished.said] == []
    assert finished.objects
    assert [key for key, content in finished.objects.items() for value in secrets if value.encode() in content] == []
    for table in ("t", "dead"):
        rows = str(query(f"{finished.scenario.base}/{table}", "select * from t").to_pylist())
        assert [value for value in secrets if value in rows] == []


def test_payloads_are_in_rows_and_dead_letters_and_nowhere_else(finished: Finished) -> None:
    assert [mark for mark in PAYLOADS if mark in finished.said] == []
    # A partition's value is a folder's name, which Hudi's timeline lists.
    folders = {"MARKEDxCOUNTRYx2"}
    found = [
        (key, mark)
        for key, content in finished.metadata()
        for mark in PAYLOADS
        if mark not in folders and mark.encode() in content
    ]
    assert found == []


def test_the_detail_of_a_dead_letter_names_a_value_only_if_the_table_has_the_payload(finished: Finished) -> None:
    letters = query(f"{finished.scenario.base}/dead", "select reason, detail, data from t").to_pylist()
    named = {letter["reason"] for letter in letters if any(mark in letter["detail"] for mark in PAYLOADS)}
    assert named == {"INVALID_ORDERING"}
    assert all(letter["data"] for letter in letters)


def test_whatever_a_payload_says_everything_is_written_below_the_base_paths(finished: Finished) -> None:
    allowed = ("lake/deep/t/", "lake/deep/dead/")
    assert [key for key in finished.objects if not key.startswith(allowed)] == []
    folders = {key.split("/")[3] for key in finished.objects if key.endswith(".parquet") and key.startswith(allowed[0])}
    assert folders == {"country=India", "country=MARKEDxCOUNTRYx2", "country=..%2F..%2F..%2F..%2Fup", "country=.."}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_whatever_a_job_starts_listens_on_loopback_alone(finished: Finished) -> None:
    assert len(finished.listened) > 3
    assert {
        address for address in finished.listened if not address.startswith(("127.", "[::1]", "[::ffff:127."))
    } == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_socket_that_is_open_to_all_would_be_seen() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  (open to all for this one moment)
        assert f"0.0.0.0:{server.getsockname()[1]}" in listening(os.getpid())


def test_a_row_that_can_not_be_computed_is_a_dead_letter_whose_value_is_quoted_nowhere(finished: Finished) -> None:
    letters = query(f"{finished.scenario.base}/dead", "select reason, detail, data from t").to_pylist()
    (letter,) = [each for each in letters if each["reason"] == "EXPRESSION_FAILED"]
    assert b"MARKEDxEXPRESSIONx10" in letter["data"]
    assert "output.derive.decoded" in letter["detail"]
    assert "CANNOT_DECODE_URL" in letter["detail"]
    assert "MARKEDxEXPRESSIONx10" not in letter["detail"] + finished.said
    rows = query(f"{finished.scenario.base}/t", "select id, decoded from t order by id").to_pylist()
    assert {row["id"]: row["decoded"] for row in rows} == {
        "MARKEDxIDx1": "India",
        "b": "MARKEDxCOUNTRYx2",
        "c": "../../../../up",
        "d": "..",
    }
