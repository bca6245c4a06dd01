import os
import signal
import threading

import pytest

from streamjoin.pipelines.signals import StopRequest, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_a_second_one_ends_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.made
        os.kill(os.getpid(), number)
        assert stop.made
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), number)
        assert ended.value.code == 128 + number
    assert signal.getsignal(number) == before


def test_waiting_ends_the_moment_somebody_asks() -> None:
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
