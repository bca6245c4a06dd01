"""Refreshes that fail: how long the last snapshot is used."""

import logging
from datetime import timedelta

import pytest

from streamjoin.errors import ReferenceTableError, StaleReferenceError
from tests.faults.reference import client_error
from tests.unit.reference.followed.scanned_reference import NOON, THROTTLED, Setup


@pytest.mark.parametrize(
    "error", [THROTTLED, client_error("AccessDeniedException"), client_error("ResourceNotFoundException")]
)
def test_a_refresh_that_fails_serves_the_last_snapshot_until_it_is_too_old_then_stops(error, caplog):
    it = Setup()
    first = it.reference.current()
    it.fail(error)

    with caplog.at_level(logging.WARNING):
        assert it.after(60).version == first.version
    assert "reference 'country': refresh failed, version 1 of 60 s ago is used (allowed are 300 s)" in caplog.text
    assert it.after(240).as_of == first.as_of
    with pytest.raises(StaleReferenceError) as raised:
        it.after(0.5)

    text = str(raised.value)
    assert "reference 'country' table 'countries'" in text
    assert "2026-01-31T12:00:00+00:00, 300 s old, allowed are 300 s" in text
    assert str(raised.value.__cause__) in text
    assert "refresh.max_staleness_seconds" in text
    assert isinstance(raised.value.__cause__, ReferenceTableError)


def test_a_failing_describe_is_tolerated_as_a_failing_scan_is():
    it = Setup()
    first = it.reference.current()
    it.client.fault = lambda operation, request: THROTTLED if operation == "DescribeTable" else None

    assert it.after(60).as_of == first.as_of


def test_the_first_load_fails_straight_away():
    it = Setup()
    it.fail(client_error("AccessDeniedException"))

    with pytest.raises(ReferenceTableError) as raised:
        it.reference.current()

    assert not isinstance(raised.value, StaleReferenceError)


def test_after_a_failure_the_table_is_not_asked_more_often_than_every_ten_seconds():
    it = Setup()
    it.reference.current()
    it.fail(THROTTLED)
    it.after(60)
    for _ in range(9):
        it.after(1)
    assert (it.scans, it.failures) == (1, 1)

    it.after(1)
    assert it.failures == 2


def test_after_a_failure_an_interval_below_ten_seconds_counts():
    it = Setup(refresh={"interval_seconds": 2, "max_staleness_seconds": 300})
    it.reference.current()
    it.fail(THROTTLED)
    it.after(2)
    it.after(2)

    assert it.failures == 2


def test_a_refresh_that_succeeds_again_ends_the_staleness():
    it = Setup()
    it.reference.current()
    it.fail(THROTTLED)
    it.after(60)
    it.recover()

    snapshot = it.after(10)

    assert snapshot.as_of == NOON + timedelta(seconds=70)
    assert it.failures == 0
    assert it.after(59.9).as_of == snapshot.as_of


def test_a_snapshot_that_got_too_old_without_a_batch_is_refreshed_not_failed():
    it = Setup()
    it.reference.current()

    assert it.after(100_000).as_of == NOON + timedelta(seconds=100_000)


def test_a_snapshot_that_gets_too_old_between_two_tries_is_tried_before_the_job_stops():
    it = Setup()
    it.reference.current()
    it.fail(THROTTLED)
    it.after(299)
    it.recover()

    assert it.after(2).as_of == NOON + timedelta(seconds=301)
