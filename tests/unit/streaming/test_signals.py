import io
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streamjoin.streaming.signals import StopRequest, stop_on_signals


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_a_second_one_ends_at_once(number: signal.Signals) -> None:
    times = iter([10.0, 10.4, 10.5])
    with stop_on_signals(clock=lambda: next(times)) as stop:
        assert not stop.made
        os.kill(os.getpid(), number)
        assert stop.made
        # `timeout` signals its child, and the child once more with its group.
        os.kill(os.getpid(), number)
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), number)
        assert ended.value.code == 128 + number
    # What is left to clean up is not waited for without end.
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0


def test_a_signal_that_comes_while_a_line_is_written_is_told_behind_it(capfd: pytest.CaptureFixture[str]) -> None:
    class Interrupted(io.RawIOBase):
        """Passes what is written on, and is signalled meanwhile."""

        is_signalled = False

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            if not self.is_signalled:
                self.is_signalled = True
                os.kill(os.getpid(), signal.SIGTERM)
            return os.write(2, bytes(data))

    stream = io.TextIOWrapper(io.BufferedWriter(Interrupted()), write_through=True)
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("streamjoin")
    log.addHandler(handler)
    try:
        with stop_on_signals() as stop:
            log.warning("a line")
            assert stop.made
            for thread in threading.enumerate():
                if thread.name == "signal":
                    thread.join()
    finally:
        log.removeHandler(handler)
    said = capfd.readouterr().err
    assert said.startswith("a line\nSIGTERM: stopping after the batch in hand")
    assert "Logging error" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back_and_no_alarm_is_left(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_batch_that_takes_longer_than_the_grace_time_is_abandoned() -> None:
    with stop_on_signals(grace_seconds=0.01) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.made
        with pytest.raises(SystemExit) as ended:
            threading.Event().wait(60)
        assert ended.value.code == 128 + signal.SIGTERM


def test_a_batch_that_ends_within_the_grace_time_ends_the_job_as_asked() -> None:
    with stop_on_signals(grace_seconds=30) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.made
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_waiting_ends_the_moment_a_stop_is_asked_for() -> None:
    stop = StopRequest()
    threading.Timer(0.01, stop.make).start()
    stop.wait(60)
    assert stop.made


def test_in_another_thread_signals_are_left_to_the_main_one() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append((stop.made, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
