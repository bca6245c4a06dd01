"""What is used while calls fail."""

from tests.faults.lookup import FakeItemTable, throttled
from tests.unit.reference.lookup.fetch_worker import COUNTRIES, Worker


def test_while_calls_fail_what_is_known_is_used_and_counted_as_stale():
    it = Worker(FakeItemTable(COUNTRIES))
    read_at = it.clock()
    it.fetch("C00001", "nowhere")
    it.clock.advance(300)
    it.fail()

    found, end = it.fetch("C00001", "nowhere")

    assert found == ["country 1"]
    assert (end.stale_keys, end.unknown_keys, end.outdated_keys, end.oldest_read_at) == (2, 0, 0, read_at)
    assert "denied" in end.error
    assert not end.is_retryable


def test_what_is_older_than_allowed_is_not_used():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(300.5)
    it.fail(throttled())

    found, end = it.fetch("C00001")

    assert found == []
    assert (end.stale_keys, end.unknown_keys, end.outdated_keys, end.outdated_seconds) == (0, 0, 1, 300.5)
    assert "throttled" in end.error
    assert end.is_retryable


def test_keys_that_were_never_read_are_told_from_those_that_are_too_old():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(301)
    it.fail()

    _, end = it.fetch("C00001", "C00002")

    assert (end.unknown_keys, end.outdated_keys) == (1, 1)


def test_after_a_failure_what_can_be_used_is_not_asked_for_again_for_ten_seconds():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(60)
    it.fail()
    it.fetch("C00001")
    calls = it.calls
    it.clock.advance(9.9)

    _, end = it.fetch("C00001")
    assert (it.calls, end.stale_keys) == (calls, 1)
    assert "denied" in end.error

    it.clock.advance(0.1)
    it.fetch("C00001")
    assert it.calls > calls


def test_keys_that_are_unknown_are_asked_for_also_right_after_a_failure():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fail()
    it.fetch("C00001")
    it.recover()

    found, end = it.fetch("C00001")

    assert (found, end.error) == (["country 1"], None)


def test_a_success_ends_the_failure():
    it = Worker(FakeItemTable(COUNTRIES), reuse_seconds=1.0)
    it.fetch("C00001")
    it.clock.advance(1)
    it.fail()
    it.fetch("C00001")
    it.recover()
    it.fetch("C00002")

    assert it.fetch("C00001")[1].stale_keys == 0


def test_what_was_read_before_a_failure_is_kept():
    table = FakeItemTable(COUNTRIES)
    processed = iter([1, *[0] * 100])
    table.processed = lambda keys: next(processed)
    it = Worker(table)

    found, end = it.fetch("C00001", "C00002")
    assert (found, end.unknown_keys, end.read_units) == (["country 1"], 1, 1)

    it.table.calls.clear()
    assert it.fetch("C00001")[0] == ["country 1"]
    assert it.calls == 0


def test_what_is_pushed_out_while_other_keys_are_read_is_still_used_in_need():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=1)
    it.fetch("C00001")
    it.clock.advance(60)
    # the known key comes last and fails; the other, read before, takes its place
    it.table.processed = lambda keys: 1 if keys == 2 else 0

    found, end = it.fetch("C00002", "C00001")

    assert found == ["country 1", "country 2"]
    assert (end.stale_keys, end.unknown_keys) == (1, 0)


def test_after_an_error_no_further_calls_are_begun():
    it = Worker(FakeItemTable())
    it.fail()

    _, end = it.fetch(*(f"C{number:06}" for number in range(100_000)))

    assert end.unknown_keys == 100_000
    # of a thousand: two at first, and at most those that were under way
    assert it.calls <= 16
