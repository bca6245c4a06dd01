"""A part of a benchmark in a process of its own."""

import os
import subprocess
import sys
import time
from contextlib import suppress

from benchmarks.own_process import in_own_process

PROGRAM = """
import sys
from tests.unit.benchmarks.test_own_process import said_and_waited
from benchmarks.own_process import in_own_process
if __name__ == "__main__":
    in_own_process(said_and_waited, sys.argv[1])
"""


def said_and_waited(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def is_there(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def within(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_part_ends_with_a_benchmark_that_is_killed(tmp_path):
    said, program = tmp_path / "pid", tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, program, said], env=os.environ | {"PYTHONPATH": os.getcwd()}) as benchmark:
        assert within(30, lambda: said.exists() and said.read_text())
        benchmark.kill()
    pid = int(said.read_text())
    assert within(10, lambda: not is_there(pid))


def test_a_part_returns_what_its_function_returns():
    assert in_own_process(max, 3, 7) == 7
