"""Any history of jobs that start, stop, pause and die on one table: never two that may commit at the same moment."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease
from streamjoin.lock.lease_object import LeaseObject
from tests.faults.sink import FakeBucket, FakeTime

LEASE_SECONDS = 20.0


@dataclass
class Job:
    """A process; one that is paused or dead renews nothing."""

    lease: Lease
    is_running: bool = True
    has_taken: bool = False


class Histories(RuleBasedStateMachine):
    """`taking` is the one job that waits for a lease at a time; in its pauses the others live on."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.bucket, self.time = FakeBucket(), FakeTime()
        self.time.meanwhile = self.renew_all
        self.all: list[Job] = []
        self.started = 0

    def renew_all(self) -> None:
        for job in self.all:
            if job.has_taken and job.is_running:
                # One that renews in time never loses its lease, so this never raises.
                job.lease.renew()

    @rule(target=jobs)
    def start(self) -> Job:
        self.started += 1
        holder = replace(Holder.here(f"job {self.started}"), place=None)
        lease = Lease(
            "s3://b/t",
            LeaseObject(self.bucket, "b", "t/.streamjoin_lock"),
            holder,
            LEASE_SECONDS,
            now=self.time.now,
            pause=self.time.pause,
        )
        job = Job(lease)
        somebody_lives = any(j.has_taken and j.is_running for j in self.all)
        try:
            lease.take()
        except SinkError as error:
            assert somebody_lives, "refused by nobody"
            assert not error.retryable
            return job
        assert not somebody_lives, "taken from one that lives"
        job.has_taken = True
        self.all.append(job)
        return job

    @rule(job=jobs)
    def pause(self, job: Job) -> None:
        job.is_running = False

    @rule(job=jobs)
    def resume(self, job: Job) -> None:
        """Go on after a pause; a job looks at its lease before it does anything."""
        if job.has_taken and not job.is_running:
            job.is_running = True
            self.may_commit(job)

    @rule(job=jobs)
    def stop(self, job: Job) -> None:
        job.lease.release()
        job.has_taken = False
        if job in self.all:
            self.all.remove(job)

    @rule(seconds=st.floats(0.1, 60))
    def wait(self, seconds: float) -> None:
        end = self.time.seconds + seconds
        while self.time.seconds < end:
            self.time.pause(min(4.0, end - self.time.seconds))

    @precondition(lambda self: any(j.has_taken and j.is_running for j in self.all))
    @rule()
    def lose_an_answer(self) -> None:
        self.bucket.lose_answers(1)
        for job in self.all:
            if job.has_taken and job.is_running:
                try:
                    job.lease.renew()
                except SinkError as error:
                    assert error.retryable

    def may_commit(self, job: Job) -> bool:
        try:
            job.lease.check()
        except SinkError as error:
            assert not error.retryable
            job.has_taken = False
            self.all.remove(job)
            return False
        return True

    @invariant()
    def one_at_most_may_commit(self) -> None:
        running = [job for job in self.all if job.is_running]
        assert sum(self.may_commit(job) for job in running) <= 1


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
