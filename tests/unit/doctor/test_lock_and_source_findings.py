"""Who holds the locks, and what a backfill reads."""

from dataclasses import replace

import pytest

from streamjoin.doctor import backfilling, locks
from streamjoin.doctor.finding import Status
from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.table_lock import TableLock
from streamjoin.lock.view import LockView
from tests.table_exports import EXPORT_ID, write_export
from tests.unit.doctor.looking import clients, context, enrichment


def look(check, document):
    client, _ = clients()
    return list(check(context(document, client)))


def test_the_holder_of_a_lock_is_named_and_another_job_is_bad(tmp_path):
    for base_path in ("t", "dead"):
        (tmp_path / base_path).mkdir()
    with TableLock(str(tmp_path / "t"), job="orders"), TableLock(str(tmp_path / "dead"), job="other"):
        table, letters = look(locks.locks, enrichment(tmp_path))
    assert (table.status, letters.status) == (Status.GOOD, Status.BAD)
    assert "job 'orders' on host" in table.found
    assert "a second process of the job would be refused" in table.found
    assert letters.remedy.startswith("Stop that one first")
    assert {each.found for each in look(locks.locks, enrichment(tmp_path))} == {"free"}


@pytest.mark.parametrize(("is_alive", "status"), [(False, Status.GOOD), (None, Status.UNKNOWN), (True, Status.BAD)])
def test_a_holder_that_is_dead_is_no_hindrance_and_one_elsewhere_can_not_be_told(monkeypatch, is_alive, status):
    holder = replace(Holder.here("other"), host="far")
    monkeypatch.setattr(locks, "look", lambda path: LockView(holder, is_alive=is_alive, evidence="so it is"))
    assert {each.status for each in look(locks.locks, enrichment())} == {status}


def test_a_lock_that_can_not_be_read_does_not_hide_the_other(monkeypatch):
    def look_at(path):
        if path.endswith("/t"):
            message = "table at 's3://bucket/lake/t': its lock can't be read. Look that this job may read there."
            raise SinkError(message)
        return LockView()

    monkeypatch.setattr(locks, "look", look_at)
    assert [each.status for each in look(locks.locks, enrichment())] == [Status.BAD, Status.GOOD]


def backfill(tmp_path, table_name="receipts"):
    return {
        "job": "backfill",
        "name": "b",
        "source": {"dynamodb_export": {"path": f"{tmp_path}/{EXPORT_ID}"}},
        "tables": [
            {"table_name": table_name, "sink": {"hudi": {"base_path": f"{tmp_path}/t", "table_name": "receipts"}}}
        ],
        "dead_letters": {"base_path": f"{tmp_path}/dead"},
    }


def test_an_export_is_read_by_its_manifest_and_its_files_are_looked_for(tmp_path):
    export = write_export(tmp_path, [[{"id": {"S": "a"}}, {"id": {"S": "b"}}], [{"id": {"S": "c"}}]])
    (found,) = look(backfilling.source, backfill(tmp_path))
    assert (found.status, found.found) == (
        Status.GOOD,
        "3 items of 'receipts' as of 2023-09-02 20:17:07 UTC, in 2 files",
    )
    (found,) = look(backfilling.source, backfill(tmp_path, "orders"))
    assert (found.status, found.remedy.startswith("Set tables[0].table_name: receipts")) == (Status.BAD, True)
    next((export / "data").glob("*.gz")).unlink()
    (found,) = look(backfilling.source, backfill(tmp_path))
    assert (found.status, "1 of 2 files are missing" in found.found) == (Status.BAD, True)
