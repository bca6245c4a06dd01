"""The lock on the emulator's S3, between processes, and beside a table that Hudi writes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SinkError
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.local.stack import LocalStack
from streamjoin.lock import TableLock
from streamjoin.query import query
from tests.small_tables import ONE_BUCKET

HOLDER = """
import sys
from streamjoin.lock import TableLock
with TableLock(sys.argv[1], job="orders", lease_seconds=2):
    print("taken", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def base_path(bucket: str) -> str:
    return f"s3://{bucket}/lake/t"


def holder(stack: LocalStack, base_path: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", HOLDER, base_path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stack.environ())
    assert process.stdout is not None
    assert process.stdout.readline() == b"taken\n"
    return process


def test_the_second_job_on_a_table_is_told_who_has_it_until_that_one_ends(stack: LocalStack, base_path: str) -> None:
    with holder(stack, base_path) as first:
        with pytest.raises(SinkError, match=rf"job 'orders' on host .* \(process {first.pid}, since ") as raised:
            TableLock(base_path, job="copy", lease_seconds=2).__enter__()
        assert not raised.value.retryable
        first.communicate()
    with TableLock(base_path, job="copy") as lock:
        lock.check()


def test_a_lock_that_was_given_back_can_be_taken_again_and_is_renewed_then(base_path: str) -> None:
    # A streaming query takes it for each batch.
    mine, other = (TableLock(base_path, job=job, wait_seconds=5) for job in ("orders", "other"))
    for _ in range(2):
        with mine:
            assert "lease-renewal" in {thread.name for thread in threading.enumerate()}
            mine.check()
        with other:
            other.check()
            with pytest.raises(SinkError, match="the lock is no longer this job's"):
                mine.check()


def test_a_killed_job_is_followed_at_once_on_its_own_machine(stack: LocalStack, base_path: str) -> None:
    with holder(stack, base_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        # Longer than the test may take: nothing but the dead process itself can have told.
        with TableLock(base_path, job="next", lease_seconds=10_000) as lock:
            lock.check()


def test_a_stopped_process_loses_its_lease_and_is_told_when_it_goes_on(stack: LocalStack, base_path: str) -> None:
    script = HOLDER.replace("    sys.stdin.read()", "    sys.stdin.read(1)").replace(
        "lease_seconds=2)", "lease_seconds=2) as lock"
    )
    script += "    lock.check()\n"
    command = [sys.executable, "-c", script, base_path]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=stack.environ()) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"taken\n"
        os.kill(first.pid, signal.SIGSTOP)
        with TableLock(base_path, job="next", lease_seconds=2) as lock:
            os.kill(first.pid, signal.SIGCONT)
            _, said = first.communicate(b"x")
            assert b"the lock is no longer this job's" in said
            lock.check()


# The lock is a file beside the partitions, or beside the files of the table itself: each with one place and one type.
@pytest.mark.parametrize(
    ("place", "table_type", "partition_by"), [("disk", "COPY_ON_WRITE", ()), ("S3", "MERGE_ON_READ", ("dt",))]
)
def test_a_table_is_created_written_and_read_beside_its_lock(
    spark: SparkSession, bucket: str, tmp_path: Path, place: str, table_type: str, partition_by: tuple[str, ...]
) -> None:
    path = str(tmp_path / "t") if place == "disk" else f"s3://{bucket}/lake/{table_type}"
    target = HudiTable(path, "t", ("id",), "o", partition_by=partition_by, table_type=table_type, options=ONE_BUCKET)
    with TableLock(path, job="orders") as lock:
        for version in (1, 2):
            lock.check()
            rows: Any = spark.createDataFrame([("a", "x", version)], "id string, dt string, o bigint")
            upsert(rows, target, commit_metadata={})
        lock.check()
    assert query(path, "select id, o from t").to_pylist() == [{"id": "a", "o": 2}]
    found = spark.read.format("hudi").load(path).select("id", "o").collect()
    assert [tuple(row) for row in found] == [("a", 2)]
