"""How a job is, from a ledger and a journal on the emulator's S3, and from leases there."""

import subprocess
import sys

from streamjoin.aws.storage import open_path
from streamjoin.history.folder import Folder, Statement
from streamjoin.history.journal import Journal
from streamjoin.history.reader import HistoryReader
from streamjoin.local.stack import LocalStack
from streamjoin.lock import TableLock
from streamjoin.lock.view import look
from streamjoin.overview.of_history import overviews_of
from streamjoin.overview.state import State
from tests.history import JobHistory

KILLED = """
import os, sys
from streamjoin.lock import TableLock
TableLock(sys.argv[1], job="j").__enter__()
os._exit(1)
"""


def test_a_job_on_s3_is_told_from_its_objects_and_its_lease(stack: LocalStack, bucket: str) -> None:
    table, journal = f"s3://{bucket}/lake/t", Journal(f"s3://{bucket}/lake/journal")
    folder, made = Folder(*open_path(table)), list[str]()

    def commit(metadata: dict[str, str]) -> None:
        instant = journal.append(metadata).instant
        folder.write((instant, instant), [Statement(instant, metadata)])
        made.append(metadata["batch_id"])

    ledger, entries = HistoryReader.of_ledger(table), HistoryReader.of_journal(journal.base_path)
    looks = [
        overviews_of(reader, job="orders", kind="enrich", where={}, lock_path=table) for reader in (ledger, entries)
    ]
    assert [each().state.state for each in looks] == [State.NEVER_STARTED] * 2
    history = JobHistory(commit)
    history.start("a")
    history.batch({"a": 9}, {"WRONG_TYPE": 1})
    with TableLock(table, job="orders"):
        for each in looks:
            found = each()
            assert (found.state.state, found.letters) == (State.RUNNING, {"WRONG_TYPE": 1})
            assert [batch.batch_id for batch in found.batches] == made
            assert found.shards[0].position == "AFTER 9"
    assert [each().state.state for each in looks] == [State.STOPPED] * 2
    subprocess.run([sys.executable, "-c", KILLED, table], env=stack.environ(), check=False)
    view = look(table)
    assert (view.is_alive, looks[0]().state.state) == (False, State.DIED)
