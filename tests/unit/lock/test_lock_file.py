"""The lock on a disk, between processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.lock import TableLock

# Takes the lock, starts a child that outlives it, says so, and waits to be killed.
HOLDER = """
import subprocess, sys
from streamjoin.lock import TableLock
with TableLock(sys.argv[1], job="orders") as lock:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    print(child.pid, flush=True)
    sys.stdin.read()
"""


def holder(base_path: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(base_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def test_the_second_job_on_a_table_is_told_who_has_it_and_that_is_not_tried_again(tmp_path: Path) -> None:
    base_path = tmp_path / "lake" / "t"
    with holder(base_path) as first:
        with pytest.raises(SinkError) as raised, TableLock(str(base_path), job="copy"):
            pass
        first.communicate()
    message = str(raised.value)
    assert message.startswith(
        f"table at '{base_path}': job 'orders' on host '{os.uname().nodename}' (process {first.pid}"
    )
    assert "stop that one first" in message
    assert not raised.value.retryable
    with TableLock(str(base_path), job="copy") as lock:
        lock.check()


def test_a_killed_holder_frees_the_table_at_once_though_its_children_live(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        with TableLock(str(tmp_path), job="next") as lock:
            lock.check()


def test_a_lock_is_given_back_whatever_happens_in_between(tmp_path: Path) -> None:
    def fail() -> None:
        with TableLock(str(tmp_path), job="a"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with TableLock(str(tmp_path), job="b"):
        assert b'"job": "b"' in (tmp_path / ".streamjoin_lock").read_bytes()
    assert (tmp_path / ".streamjoin_lock").read_bytes() == b""


def test_two_locks_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with TableLock(f"file://{tmp_path}", job="a"), pytest.raises(SinkError, match="job 'a'"):
        TableLock(str(tmp_path), job="b").__enter__()


def test_tables_beside_each_other_are_locked_each_by_itself(tmp_path: Path) -> None:
    with TableLock(str(tmp_path / "a"), job="a"), TableLock(str(tmp_path / "b"), job="a") as lock:
        lock.check()


def test_a_lock_whose_table_was_deleted_or_made_anew_is_lost(tmp_path: Path) -> None:
    path = tmp_path / ".streamjoin_lock"
    with TableLock(str(tmp_path), job="a") as first:
        first.check()
        path.unlink()
        with pytest.raises(SinkError, match=r"no longer this job's: .* was deleted"):
            first.check()
        with TableLock(str(tmp_path), job="b") as second:
            with pytest.raises(SinkError, match="was replaced by another file"):
                first.check()
            second.check()


def test_a_lock_that_was_not_taken_has_no_holder(tmp_path: Path) -> None:
    lock = TableLock(str(tmp_path), job="a")
    with pytest.raises(SinkError, match="was not taken"):
        lock.check()


def test_a_place_that_can_not_be_locked_is_one_error_that_names_the_table(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a file where the table should be")
    with pytest.raises(SinkError, match=f"table at '{tmp_path}/t': its lock can't be read or written: ") as raised:
        TableLock(str(tmp_path / "t"), job="a").__enter__()
    assert raised.value.retryable
    with pytest.raises(SinkError, match="found the scheme 'hdfs'"):
        TableLock("hdfs://name/lake", job="a")
