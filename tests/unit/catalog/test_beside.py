"""The catalog is brought up to date beside the commits: none waits for it, none fails by it."""

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamjoin.aws.storage import open_path
from streamjoin.catalog.beside import CatalogSync, finish
from streamjoin.catalog.sync import Change
from streamjoin.config.catalog_stages import CatalogTable, GlueSettings
from streamjoin.errors import SinkError
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Timeline


class Followed:
    """Stands for what keeps a table's entries."""

    def __init__(self, act: Callable[[], Any] = lambda: None) -> None:
        self.table, self.act, self.ends = CatalogTable("s3://lake/orders", "sales", "orders"), act, list[bool]()
        self.timelines = list[Timeline | None]()

    def follow(self, timeline: Timeline | None, *, ends: bool) -> list[Change]:
        self.ends.append(ends)
        self.timelines.append(timeline)
        self.act()
        return [Change("sales.orders", ["made with 7 columns"])]


def refuse() -> None:
    raise SinkError("catalog: 'sales.orders': GetTable was denied.")


def beside(followed: Followed, clock: Callable[[], float] = time.monotonic) -> CatalogSync:
    return CatalogSync(followed, job="orders", clock=clock)  # type: ignore[arg-type]


def test_what_the_commit_has_listed_is_not_listed_again_but_at_the_end_it_is(tmp_path: Path) -> None:
    followed, listed = Followed(), Timeline.read(*open_path(str(tmp_path)))
    sync = beside(followed)
    sync.committed(listed)
    settled(sync)
    sync.finish()
    assert followed.timelines == [listed, None]


def settled(sync: CatalogSync) -> None:
    thread = sync._thread
    if thread is not None:
        thread.join(5)


def test_a_commit_does_not_wait_and_commits_that_come_meanwhile_are_taken_together() -> None:
    gate, begun = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(5)

    followed = Followed(wait)
    sync = beside(followed)
    sync.committed()
    assert begun.wait(5)
    for _ in range(10):
        sync.committed()
    assert followed.ends == [False]
    gate.set()
    settled(sync)
    assert followed.ends == [False, False]


def test_a_failing_catalog_is_tried_again_and_told(caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed(refuse)
    sync = beside(followed)
    with caplog.at_level(logging.INFO):
        for failures in (1, 2):
            sync.committed()
            settled(sync)
            assert (sync.failures, sync.last_error) == (failures, "catalog: 'sales.orders': GetTable was denied.")
            assert json.loads(sync.said()["catalog"]) == {
                "table": "sales.orders",
                "failures": failures,
                "error": sync.last_error,
            }
        assert (sync.take_failures(), sync.take_failures()) == (2, 0)
        followed.act = lambda: None
        sync.committed()
        settled(sync)
    assert (sync.failures, sync.last_error, sync.said()) == (0, "", {})
    assert [record.getMessage() for record in caplog.records] == [
        "job=orders catalog_failures=1 catalog: 'sales.orders': GetTable was denied. The commits stand; it is tried "
        "again with the next ones.",
        "job=orders catalog_failures=2 catalog: 'sales.orders': GetTable was denied. The commits stand; it is tried "
        "again with the next ones.",
        "job=orders catalog: sales.orders: made with 7 columns",
        "job=orders catalog: 'sales.orders' is up to date again",
    ]


def test_a_catalog_that_keeps_failing_is_tried_less_and_less_often_but_at_the_end() -> None:
    now, followed = [0.0], Followed(refuse)
    sync = beside(followed, lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        sync.committed()
        settled(sync)
    tried = len(followed.ends)
    assert 5 < tried < 12
    sync.finish()
    assert followed.ends[tried:] == [True]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_counts_as_a_failure_and_the_next_commit_tries_again() -> None:
    followed = Followed(lambda: {}["missing"])
    sync = beside(followed)
    for failures in (1, 2):
        sync.committed()
        settled(sync)
        assert sync.failures == failures


def test_the_end_waits_for_all_tables_together_but_not_longer_than_told(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    syncs = [beside(Followed(lambda: gate.wait(10))) for _ in range(3)]
    started = time.monotonic()
    finish(syncs, 0.2)
    assert time.monotonic() - started < 2
    assert caplog.text.count("'sales.orders' is not up to date after") == 3
    gate.set()
    finish(syncs, 5)
    assert all(sync.failures == 0 for sync in syncs)


def test_only_tables_on_s3_that_are_to_be_entered_are() -> None:
    def table(base_path: str, glue: GlueSettings | None) -> HudiTable:
        return HudiTable(base_path, "orders", ("id",), "_ordering_us", database="sales", glue=glue)

    for base_path, glue in (("s3://lake/orders", None), ("/tmp/orders", GlueSettings())):  # noqa: S108
        none = CatalogSync.of(table(base_path, glue), job="orders")
        none.committed()
        none.finish()
        assert (none._table, none._thread, none.said()) == (None, None, {})
    found = CatalogSync.of(table("s3://lake/orders", GlueSettings()), job="orders")
    assert found._table is not None
    assert found._table.table == CatalogTable("s3://lake/orders", "sales", "orders", GlueSettings())
