"""Any history of jobs that start, stop, pause and die: never two that may commit at the same moment, on any store."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from streamjoin.errors import SinkError
from streamjoin.lock.lease import Lease
from tests.faults.leases import ItemLeases, Leases, ObjectLeases, lease


@dataclass
class Job:
    """A process; one that is paused or dead renews nothing."""

    lease: Lease
    is_running: bool = True
    has_taken: bool = False


class Histories(RuleBasedStateMachine):
    """`taking` is the one job that waits for a lease at a time; in its pauses the others live on."""

    jobs = Bundle("jobs")

    def make_store(self) -> Leases:
        return ObjectLeases()

    def __init__(self) -> None:
        super().__init__()
        self.leases = self.make_store()
        self.time = self.leases.time
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
        job = Job(lease(self.leases, f"job {self.started}"))
        one_lives = any(j.has_taken and j.is_running for j in self.all)
        try:
            job.lease.take()
        except SinkError as error:
            assert one_lives, "refused without a holder"
            assert not error.retryable
            return job
        assert not one_lives, "taken from one that lives"
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
        self.leases.lose_answers(1)
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


class ItemHistories(Histories):
    """The same on an item of DynamoDB."""

    def make_store(self) -> Leases:
        return ItemLeases()


TestObjectHistories = Histories.TestCase
TestItemHistories = ItemHistories.TestCase
TestObjectHistories.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestItemHistories.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
