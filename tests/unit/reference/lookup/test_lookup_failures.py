"""Reads that fail: how long what is known is used."""

import logging
from datetime import timedelta

import pytest

from streamjoin.errors import ReferenceTableError, StaleReferenceError
from tests.faults.lookup import FakeItemTable, throttled
from tests.faults.reference import client_error, country
from tests.unit.reference.lookup.looked_up_reference import NOON, SCHEMA, Setup


def test_a_first_read_that_fails_stops_the_batch_and_says_whether_to_try_again():
    for error, retryable in ((client_error("AccessDeniedException", "BatchGetItem"), False), (throttled(), True)):
        it = Setup(schema=SCHEMA)
        it.reference.current()
        it.fail(error)

        with pytest.raises(ReferenceTableError, match="'countries' in region") as raised:
            it.look_up("IN")

        assert raised.value.retryable is retryable
        assert not isinstance(raised.value, StaleReferenceError)


def test_a_table_that_cant_be_described_at_first_is_described_by_the_next_batch():
    it = Setup(schema=SCHEMA)
    it.fail(throttled("DescribeTable"))
    with pytest.raises(ReferenceTableError, match="DescribeTable was throttled"):
        it.reference.current()
    it.recover()

    snapshot, rows = it.look_up("IN")

    assert (snapshot.version, set(rows)) == (1, {"IN"})


def test_while_the_table_cant_be_read_what_is_known_is_used_with_a_warning_until_it_is_too_old(caplog):
    it = Setup(schema=SCHEMA)
    it.look_up("IN", "nowhere")
    it.fail()

    with caplog.at_level(logging.WARNING):
        stale, rows = it.look_up("IN", "nowhere", after=60)
    assert rows == {"IN": ("India", "IN")}
    assert (stale.as_of, stale.failures, it.reference.refresh_failures) == (NOON, 1, 1)
    assert (
        "reference 'country': 2 join keys could not be read again, what was read up to 60 s ago is used" in caplog.text
    )
    assert "allowed are 300 s" in caplog.text
    assert "denied" in caplog.text

    assert it.look_up("IN", after=240)[0].failures == 2
    with pytest.raises(StaleReferenceError) as raised:
        it.look_up("IN", after=0.5)
    text = str(raised.value)
    assert (
        "reference 'country' table 'countries': 1 join keys were last read up to 300 s ago, allowed are 300 s" in text
    )
    assert "denied" in text
    assert "refresh.max_staleness_seconds" in text


def test_a_key_that_was_never_read_cant_be_stale():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.fail()

    with pytest.raises(ReferenceTableError, match="denied") as raised:
        it.look_up("IN", "FR", after=1000)

    assert not isinstance(raised.value, StaleReferenceError)


def test_of_several_failures_the_one_that_no_repetition_mends_is_raised():
    table = FakeItemTable([country(f"C{number}", "x") for number in range(50)])
    it = Setup(table=table, schema=SCHEMA, cores=4, shuffle_partitions=4)
    errors = iter([throttled()] * 5 + [client_error("AccessDeniedException", "BatchGetItem")] + [throttled()] * 99)
    it.reference.current()
    table.fault = lambda operation, request: next(errors)

    with pytest.raises(ReferenceTableError, match="denied") as raised:
        it.look_up(*(f"C{number}" for number in range(50)))

    assert not raised.value.retryable


def test_a_read_that_succeeds_again_ends_the_staleness():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.fail()
    it.look_up("IN", after=60)
    it.recover()

    snapshot, _ = it.look_up("IN", after=10)

    assert (snapshot.failures, it.reference.refresh_failures) == (0, 0)
    assert snapshot.as_of == NOON + timedelta(seconds=70)


def test_a_batch_that_only_used_what_is_kept_says_nothing_of_the_table():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.look_up("FR", after=50)
    it.fail()
    it.look_up("IN", after=30)

    assert it.look_up("FR")[0].failures == 1
