"""The proof: every commit of the table in order, and the dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from streamjoin.errors import SinkError
from streamjoin.history.entry import Entry
from streamjoin.history.journal import Journal
from streamjoin.history.ledger import Ledger
from streamjoin.letters.intents import Intents
from streamjoin.progress import Tell, tell_nobody
from streamjoin.verify.chain import Chain
from streamjoin.verify.counts import check_counts, check_versions, number
from streamjoin.verify.letters import read_letters
from streamjoin.verify.rejects import RejectCheck
from streamjoin.verify.report import VerifyReport, Violation, ViolationKind, named
from streamjoin.verify.twice import rows_twice


class Commits(Protocol):
    """What is proved of: all commits of a table, or all entries of a journal."""

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Instants of those that were taken back."""

    def entries(self) -> Iterator[Entry]:
        """Yield every one, the oldest first."""

    def contradiction(self, entry: Entry) -> str | None:
        """Return how something else contradicts one; None if nothing does."""


def verify(base_path: str, dead_letters_path: str, fixed: Sequence[str] = (), tell: Tell = tell_nobody) -> VerifyReport:
    """Prove that the stream was read without gap and overlap, and that every record is accounted for.

    Reads ledger, timeline and dead letters, without Spark, and writes nothing. While a job runs, what it commits
    meanwhile is left out; a redrive that ends meanwhile may look like lost dead letters: run it again then.

    Args:
        base_path: The table's.
        dead_letters_path: That of its dead letters.
        fixed: Base paths of tables of which it is promised that no row moves: they are read.
        tell: Takes how far it is.

    Raises:
        SinkError: There is no commit of streamjoin at `base_path`, or something can't be read.
    """
    report = prove(base_path, Ledger(base_path).history(), _rejects(base_path, dead_letters_path), tell)
    return _with_tables(report, fixed)


def verify_journal(
    journal_path: str, dead_letters_path: str, fixed: Sequence[str] = (), tell: Tell = tell_nobody
) -> VerifyReport:
    """Prove the same of a job that writes many tables, from its journal and its dead letters.

    Args:
        journal_path: The journal's base path.
        dead_letters_path: That of the job's dead letters.
        fixed: As in `verify`.
        tell: As in `verify`.

    Raises:
        SinkError: There is no entry, or something can't be read.
    """
    report = prove(journal_path, Journal(journal_path), _rejects(journal_path, dead_letters_path), tell)
    return _with_tables(report, fixed)


def _with_tables(report: VerifyReport, fixed: Sequence[str]) -> VerifyReport:
    try:
        found = [violation for base_path in fixed for violation in rows_twice(base_path)]
    except OSError as error:
        message = f"tables of '{report.base_path}' can't be read: {error}"
        raise SinkError(message, retryable=True) from error
    return replace(report, violations=(*report.violations, *found))


def _rejects(base_path: str, dead_letters_path: str) -> RejectCheck:
    intents = {batch_id: letters for batch_id, letters in Intents(base_path).pending().items() if letters is not None}
    return RejectCheck(read_letters(dead_letters_path), intents)


def prove(base_path: str, history: Commits, rejects: RejectCheck, tell: Tell = tell_nobody) -> VerifyReport:
    """Return what `verify` does, from what was read.

    Args:
        base_path: The table's.
        history: All of its commits.
        rejects: Knows the dead letters, and no commit yet.
        tell: Takes how far it is.

    Raises:
        SinkError: There is no commit, or one can't be read.
    """
    chain = Chain()
    violations: list[Violation] = []
    commits = records = 0
    shards: set[str] = set()
    first_instant = ""
    for entry in history.entries():
        before = chain.last
        violations += chain.join(entry)
        violations += check_counts(entry)
        if before is not None:
            violations += check_versions(before, entry)
        contradiction = history.contradiction(entry)
        if contradiction is not None:
            violations.append(Violation(ViolationKind.LEDGER, f"{named(entry)}: {contradiction}"))
        rejects.add(entry)
        first_instant = first_instant or entry.instant
        commits += 1
        tell(commits, None, "commits")
        records += number(entry.counts, "read")
        shards.update(each.shard_id for each in entry.ranges)
    if chain.last is None:
        message = f"no commit of streamjoin at '{base_path}': there is nothing to verify before a job's first start"
        raise SinkError(message)
    violations += rejects.verdict(chain)
    withdrawn = history.withdrawn
    taken_back = [f"{len(withdrawn)} recorded commits were rolled back or restored away"] if withdrawn else []
    return VerifyReport(
        base_path=base_path,
        first_instant=first_instant,
        last_instant=chain.last.instant,
        commits=commits,
        shards=len(shards),
        records=records,
        dead_letters=rejects.dead_letters,
        violations=tuple(violations),
        notes=(*chain.notes, *rejects.notes, *taken_back),
    )
