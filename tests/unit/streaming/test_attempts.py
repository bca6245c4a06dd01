import pytest

from streamjoin.errors import SourceError
from streamjoin.process import ExitCode, exit_code_of
from streamjoin.streaming.attempts import MAX_ATTEMPTS, with_attempts
from streamjoin.streaming.signals import StopRequest


class Job:
    """Fails as told, each time after so much progress."""

    def __init__(self, *progress: int | None, retryable: bool = True) -> None:
        self.left, self.done, self.attempts, self.retryable = list(progress), 0, 0, retryable

    def attempt(self) -> None:
        self.attempts += 1
        found = self.left.pop(0) if self.left else None
        if found is not None:
            self.done += found
            raise SourceError("gone away", retryable=self.retryable)


class Pauses(StopRequest):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_an_attempt_that_succeeds_is_the_last_one() -> None:
    job, stop = Job(), Pauses()
    with_attempts(job.attempt, stop, lambda: job.done)
    assert (job.attempts, stop.seconds) == (1, [])


def test_pauses_grow_until_something_was_done(caplog: pytest.LogCaptureFixture) -> None:
    job, stop = Job(0, 0, 0, 3, 0), Pauses()
    with_attempts(job.attempt, stop, lambda: job.done)
    assert stop.seconds == [1.0, 2.0, 4.0, 1.0, 2.0]
    assert "attempt 2 of 6 in 1 s, after: gone away" in caplog.text


def test_an_error_that_does_not_pass_in_time_is_raised() -> None:
    job = Job(*[0] * MAX_ATTEMPTS)
    with pytest.raises(SourceError):
        with_attempts(job.attempt, Pauses(), lambda: job.done)
    assert job.attempts == MAX_ATTEMPTS


def test_the_last_words_of_a_job_that_gives_up_are_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(*[0] * MAX_ATTEMPTS)
    assert exit_code_of(lambda: with_attempts(job.attempt, Pauses(), lambda: job.done)) is ExitCode.FAILED
    first, last = capsys.readouterr().err.splitlines()
    assert first == "gone away"
    assert last == (
        "Given up after 6 attempts. What was committed stands: once this is mended, start the job again; it goes on "
        "from there."
    )


def test_an_error_that_never_passes_is_raised_at_once() -> None:
    job = Job(1, retryable=False)
    with pytest.raises(SourceError):
        with_attempts(job.attempt, Pauses(), lambda: job.done)
    assert job.attempts == 1


def test_a_job_that_was_asked_to_stop_makes_no_other_attempt() -> None:
    job, stop = Job(1), Pauses()
    stop.make()
    with pytest.raises(SourceError):
        with_attempts(job.attempt, stop, lambda: job.done)
    assert job.attempts == 1
