from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from streamjoin.history.ledger import Ledger
from streamjoin.verify import VerifyReport
from streamjoin.verify.proof import prove
from streamjoin.verify.rejects import RejectCheck
from tests.faults.ledger import FakeTable
from tests.history import JobHistory, Metadata

Prove = Callable[..., VerifyReport]


@pytest.fixture
def commits() -> list[Metadata]:
    """What the job committed; a test may change it before it proves."""
    return []


@pytest.fixture
def job(commits: list[Metadata]) -> JobHistory:
    return JobHistory(commits.append)


@pytest.fixture
def prove_it(commits: list[Metadata], job: JobHistory, tmp_path: Path) -> Prove:
    """Commit all, let the ledger follow and Hudi archive on the way, and prove it."""

    def run(intents: Mapping[str, frozenset[str]] | None = None) -> VerifyReport:
        table = FakeTable(tmp_path / "t")
        for number, metadata in enumerate(commits):
            table.commit(metadata)
            if number % 3 == 2:
                Ledger(table.base_path).follow()
                table.archive(keep=2)
        return prove(table.base_path, Ledger(table.base_path).history(), RejectCheck(job.letter_table(), intents or {}))

    return run
