"""A lock that is looked at and not touched."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from streamjoin.lock import Place, TableLock
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Entry
from streamjoin.lock.view import LockView, look

PLACE = Place.of_table("t")


def test_a_lock_that_was_never_taken_or_given_back_is_free(tmp_path: Path) -> None:
    base_path = str(tmp_path / "t")
    assert look(base_path) == LockView()
    assert not (tmp_path / "t").exists(), "nothing is made"
    with TableLock(base_path, job="orders"):
        pass
    assert look(base_path) == LockView()


def test_a_look_neither_takes_a_lock_nor_keeps_others_from_it(tmp_path: Path) -> None:
    base_path = str(tmp_path / "t")
    with TableLock(base_path, job="orders (redrive)") as lock:
        view = look(base_path)
        lock.check()
    assert view.holder is not None
    assert (view.holder.job, view.holder.pid, view.is_alive) == ("orders (redrive)", os.getpid(), True)
    with TableLock(base_path, job="next"):
        pass


def test_a_process_that_ended_without_giving_it_back_is_dead(tmp_path: Path) -> None:
    lines = (
        "import os, sys",
        "from streamjoin.lock import TableLock",
        "TableLock(sys.argv[1], job='j').__enter__()",
        "os._exit(1)",
    )
    script = "\n".join(lines)
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "t")], check=False)
    view = look(str(tmp_path / "t"))
    assert (view.is_alive, view.evidence) == (False, "its process is gone")


def test_of_a_process_of_another_machine_it_is_not_known(tmp_path: Path) -> None:
    holder = replace(Holder.here("orders"), place="another boot/pid:[1]")
    (tmp_path / ".streamjoin_lock").write_bytes(holder.to_json())
    view = look(str(tmp_path))
    assert (view.holder, view.is_alive) == (holder, None)


def test_what_is_no_lock_names_nobody(tmp_path: Path) -> None:
    (tmp_path / ".streamjoin_lock").write_text(json.dumps({"anything": 1}))
    assert look(str(tmp_path)) == LockView()


@pytest.mark.parametrize(
    ("age_seconds", "seconds", "is_alive"),
    [
        (3.0, None, True),
        (24.0, None, True),
        (26.0, None, False),
        (26.0, 30.0, True),
        (36.0, 30.0, False),
        (None, None, None),
    ],
)
def test_a_lease_lives_as_long_as_it_is_renewed(
    age_seconds: float | None, seconds: float | None, is_alive: bool | None
) -> None:
    holder = replace(Holder.here("orders"), place=None)
    entry = Entry(holder.owner, holder, seconds=seconds, age_seconds=age_seconds)
    assert LockView.of_entry(entry, 20.0).is_alive is is_alive


def test_a_lease_that_is_free_names_nobody_and_one_of_a_dead_process_here_is_dead_at_once() -> None:
    assert LockView.of_entry(None, 20.0) == LockView()
    assert LockView.of_entry(Entry(None, Holder.here("j"), age_seconds=1.0), 20.0) == LockView()
    gone = replace(Holder.here("j"), process_start=1)
    assert LockView.of_entry(Entry(gone.owner, gone, age_seconds=1.0), 20.0).is_alive is False
