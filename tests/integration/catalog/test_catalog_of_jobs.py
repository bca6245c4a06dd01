"""Jobs enter their tables in a Glue Data Catalog (moto's), beside their commits."""

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from streamjoin.aws.clients import aws_client
from streamjoin.cli import app
from streamjoin.history import checkpoint
from tests.catalogued import AFTER, BEFORE, FIRST, SECOND, Table
from tests.services.glue_catalog import glue_at, glue_catalog


class _Denying(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps({"__type": "AccessDeniedException", "Message": "not authorized"}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def denying() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Denying)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def partitions(name: str) -> dict[tuple[str, ...], dict[str, str]]:
    pages = aws_client("glue").get_paginator("get_partitions").paginate(DatabaseName="lake", TableName=name)
    found = [each for page in pages for each in page["Partitions"]]
    return {tuple(p["Values"]): {c["Name"]: c["Type"] for c in p["StorageDescriptor"]["Columns"]} for p in found}


def test_a_table_whose_catalog_refused_at_first_is_entered_by_the_next_start(
    spark: SparkSession, bucket: str, denying: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    table = Table(bucket, "entered", "MERGE_ON_READ", by_day=True)
    with caplog.at_level(logging.INFO), glue_at(denying):
        table.run(FIRST, BEFORE)
    assert "catalog_failures=1 catalog: 'lake.entered_ro': GetTable was denied" in caplog.text
    newest = checkpoint.read(f"s3://{bucket}/lake/entered")
    assert newest is not None
    assert json.loads(newest.extra["catalog"])["failures"] >= 1
    with glue_catalog():
        table.run(SECOND, AFTER)
        folders = {(event["at"][:10].replace("-", ""), event["region"]) for event in FIRST}
        for name in ("entered_ro", "entered_rt"):
            found = partitions(name)
            assert found.keys() >= folders
            assert {(c["units"], c["note"]) for c in found.values()} == {("bigint", "string")}
        letters = aws_client("glue").get_table(DatabaseName="lake", Name="entered_dead_letters")["Table"]
        assert letters["PartitionKeys"][0]["Name"] == "dt"
        file = tmp_path / "job.yaml"
        file.write_text(yaml.safe_dump(table.document(AFTER)))
        answer = CliRunner().invoke(app, ["catalog", "sync", str(file)], catch_exceptions=False)
        assert answer.output.splitlines() == [
            f"lake.entered{end}: as it should be" for end in ("_ro", "_rt", "_tombstones", "_dead_letters")
        ]
