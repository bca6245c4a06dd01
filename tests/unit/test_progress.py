"""Progress of long work, on a terminal and elsewhere; how it looks is in docs/commands.md's commands, in a terminal."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamjoin.catalog.parts import parts
from streamjoin.metrics.metric import Measure
from streamjoin.metrics.names import LAG_SECONDS
from streamjoin.progress import progress
from streamjoin.streaming.backlog import Backlog


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[logging.StreamHandler[io.StringIO]]:
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    before, level = root.handlers, root.level
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        root.handlers = before
        root.setLevel(level)


def test_a_log_has_a_line_now_and_then_that_says_how_long_it_will_take() -> None:
    clock, stream = Clock(), io.StringIO()
    with logging_to(stream), progress("Redrive", stream=stream, clock=clock) as tell:
        for clock.now in range(0, 100, 10):
            tell(clock.now * 100, 20_000, "dead letters")
        tell(3, None, "commits")
    assert stream.getvalue().splitlines() == [
        "Redrive: 3,000 of 20,000 dead letters in 30 s, about 170 s left",
        "Redrive: 6,000 of 20,000 dead letters in 60 s, about 140 s left",
        "Redrive: 9,000 of 20,000 dead letters in 90 s, about 110 s left",
    ]


def test_a_command_without_a_log_says_it_on_its_standard_error_and_work_with_lines_of_its_own_nothing() -> None:
    clock, stream = Clock(), io.StringIO()
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        for lines in (True, False):
            with progress("Verifying", lines=lines, stream=stream, clock=clock) as tell:
                clock.now += 31
                tell(5_000, None, "commits")
    finally:
        root.handlers = before
    assert stream.getvalue() == "Verifying: 5,000 commits in 31 s\n"


def test_work_of_less_than_a_second_shows_nothing_on_a_terminal() -> None:
    clock, stream = Clock(), Terminal()
    with progress("Verifying", stream=stream, clock=clock) as tell:
        for clock.now in (0.0, 0.5, 0.9):
            tell(clock.now, 1, "s")
    assert stream.getvalue() == ""


def test_lines_of_the_log_come_whole_above_the_bar_and_the_log_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    clock, stream = Clock(), Terminal()
    long = "x" * 100 + " [bold]1[/bold] " + "y" * 100
    with logging_to(stream) as handler:
        with progress("Verifying", stream=stream, clock=clock) as tell:
            clock.now = 2
            tell(50, 200, "commits")
            logging.getLogger("any").info("%s", long)
            clock.now = 3
            tell(200, 200, "commits")
        assert handler.stream is stream
        logging.getLogger("any").info("after")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert f"{long}\n" in shown
    assert "50 of 200 commits" in shown
    assert "200 of 200 commits" in shown
    # It can be seen after a process that just ended.
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")
    assert shown.endswith("after\n")


def test_a_backlog_is_told_by_how_much_nearer_the_present_is() -> None:
    told = list[tuple[float, float | None, str]]()
    clock = Clock()
    backlog = Backlog(lambda *told_now: told.append(told_now), clock)
    for clock.now, lag in ((1_000, 600.0), (1_060, 660.0), (1_120, 330.0), (1_200, 0.0)):
        backlog.took([Measure(LAG_SECONDS, lag)], 1_000)
    unit = "seconds of the backlog, 1,000 records"
    assert told == [(0, 600, unit), (0, 660, unit), (390, 720, unit), (800, 800, unit)]
    told.clear()
    Backlog(lambda *told_now: told.append(told_now)).took([Measure(LAG_SECONDS, 0.0)], 10)
    assert told == [(10, None, "records")]


def test_calls_for_many_partitions_tell_how_many_are_done() -> None:
    told = list[tuple[float, float | None, str]]()
    for part in parts(list(range(250)), 100, lambda *told_now: told.append(told_now)):
        told.append((len(part), None, "asked"))
    unit = "partitions"
    assert [each for each in told if each[2] == unit] == [(100, 250, unit), (200, 250, unit), (250, 250, unit)]
    assert [each[0] for each in told if each[2] == "asked"] == [100, 100, 50]


LOADED = """
import sys
from streamjoin.progress import progress
with progress("Verifying") as tell:
    tell(1, 2, "commits")
print("rich" in sys.modules)
"""


def test_rich_is_imported_for_a_bar_alone() -> None:
    command = [sys.executable, "-c", LOADED]
    parent, child = pty.openpty()
    try:
        for stderr in (subprocess.PIPE, child):
            ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, timeout=20, check=True)
            assert ran.stdout == b"False\n"
    finally:
        os.close(parent)
        os.close(child)
