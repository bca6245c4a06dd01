import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import ReferenceTableError, SchemaError, StaleReferenceError
from streamjoin.reference.followed.reference import Reference
from streamjoin.spark.schema import to_spark
from tests.faults.reference import FakeClock, FakeDynamoDb, FakeSpark, client_error, country, settings

INDIA, FRANCE = country("IN", "India"), country("FR", "France")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Setup:
    def __init__(self, *items, **changes):
        self.client = FakeDynamoDb(items or [INDIA, FRANCE])
        self.clock = FakeClock(NOON)
        self.spark = FakeSpark()
        self.reference = Reference(
            settings(**changes),
            client=self.client,
            spark=self.spark,
            clock=self.clock,
        )

    def fail(self, error):
        self.client.fault = lambda operation, request: error

    def recover(self):
        self.client.fault = lambda operation, request: None

    def after(self, seconds):
        self.clock.advance(seconds)
        return self.reference.current()

    @property
    def failures(self):
        return self.reference.current().failures

    @property
    def scans(self):
        return sum("ExclusiveStartKey" not in request for request in self.client.scans)


THROTTLED = client_error("ThrottlingException")


def test_a_snapshot_has_the_rows_on_the_driver_and_in_spark():
    it = Setup()

    snapshot = it.reference.current()

    assert snapshot.side(None) is snapshot.frame
    assert snapshot.table.to_pylist() == [
        {"country_code": "IN", "countryname": "India"},
        {"country_code": "FR", "countryname": "France"},
    ]
    assert snapshot.frame.rows == [("IN", "India"), ("FR", "France")]
    assert not snapshot.frame.is_freed
    assert (snapshot.name, snapshot.version, snapshot.items, snapshot.as_of) == ("country", 1, 2, NOON)
    assert (snapshot.on, snapshot.columns) == ({"country": "countryname"}, {"country_code": "country_code"})
    assert (it.reference.on, it.reference.columns) == (snapshot.on, snapshot.columns)
    assert snapshot.consumed_read_units == 0.5


def test_the_table_is_not_read_again_before_its_interval_has_passed():
    it = Setup()
    first = it.reference.current()

    assert it.after(59.9).as_of == first.as_of
    assert it.scans == 1


def test_the_table_is_read_again_when_its_interval_has_passed():
    it = Setup()
    first = it.reference.current()
    it.client.items.append(country("US", "United States"))

    second = it.after(60)

    assert (first.version, second.version) == (1, 2)
    assert second.items == 3
    assert second.as_of == NOON + timedelta(seconds=60)


def test_an_interval_of_zero_reads_before_every_batch():
    it = Setup(refresh={"interval_seconds": 0, "max_staleness_seconds": 300})
    it.reference.current()
    it.reference.current()

    assert it.scans == 2


def test_the_interval_counts_from_the_end_of_a_scan():
    it = Setup()
    it.client.fault = lambda operation, request: it.clock.advance(40) if operation == "Scan" else None
    first = it.reference.current()

    assert first.as_of == NOON
    assert it.after(59).as_of == NOON


def test_a_clock_that_was_set_back_doesnt_put_the_refresh_off():
    it = Setup()
    it.reference.current()
    it.after(-3600)

    assert it.scans == 2


def test_a_scan_of_the_same_content_keeps_version_and_frame_and_moves_as_of():
    it = Setup()
    first = it.reference.current()
    it.client.items.reverse()

    second = it.after(60)

    assert (second.version, second.frame, second.table) == (1, first.frame, first.table)
    assert second.as_of == NOON + timedelta(seconds=60)
    assert len(it.spark.frames) == 1
    it.reference.current()
    assert not second.frame.is_freed


def test_a_replaced_frame_is_freed_only_after_the_batch_in_hand():
    it = Setup()
    first = it.reference.current()
    it.client.items.append(country("US", "United States"))

    frame = first.frame

    second = it.after(60)
    assert not frame.is_freed
    it.reference.current()
    assert frame.is_freed
    assert not second.frame.is_freed
    frame = second.frame
    it.reference.close()
    assert frame.is_freed


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


def test_duplicates_that_appear_later_stop_the_job_if_they_are_not_allowed():
    it = Setup(on_duplicate="fail")
    it.reference.current()
    it.client.items.append(country("IX", "India"))

    with pytest.raises(
        ReferenceTableError, match="countryname='India' has more than one item: code='IN' and code='IX'"
    ) as raised:
        it.after(60)
    assert not raised.value.retryable


def test_a_warning_about_the_items_is_given_once_not_at_every_scan(caplog):
    it = Setup(INDIA, country("IX", "India"))
    with caplog.at_level(logging.WARNING):
        snapshot = it.reference.current()
        it.after(60)
        it.after(60)

    assert snapshot.duplicates == 1
    assert caplog.text.count("more than one item") == 1


def test_types_are_inferred_once_and_then_stay(caplog):
    it = Setup(country("IN", "India", area={"N": "1"}), columns=["area"])
    first = it.reference.current()
    it.client.items = [country("IN", "India", area={"N": "1"}), country("FR", "France", area={"N": "1.5"})]

    with caplog.at_level(logging.WARNING):
        second = it.after(60)

    assert second.table.schema == first.table.schema
    assert (second.items, second.misfits, second.version) == (2, 1, 1)
    assert "1 items do not fit the schema and match no event: code='FR': attribute 'area'" in caplog.text


def test_a_declared_schema_is_used():
    it = Setup(
        country("IN", "India", area={"N": "1"}), columns=["area"], schema="countryname string, area decimal(9,2)"
    )

    assert it.reference.current().frame.schema.simpleString() == "struct<area:decimal(9,2),countryname:string>"


def test_a_declared_schema_without_a_needed_attribute_is_refused_before_anything_is_read():
    with pytest.raises(SchemaError, match="'area'"):
        Setup(columns=["area"], schema="countryname string")


def test_only_the_attributes_of_the_join_and_the_primary_key_are_read():
    it = Setup(columns=["area"])
    it.reference.current()

    assert set(it.client.scans[0]["ExpressionAttributeNames"].values()) == {"area", "countryname", "code"}


@pytest.mark.parametrize(("configured", "segments"), [(None, 1), (3, 3)])
def test_the_segments_are_as_configured_or_by_size(configured, segments):
    it = Setup(dynamodb={"table_name": "countries", "scan_segments": configured})
    it.reference.current()

    assert len({request.get("Segment") for request in it.client.scans}) == segments


def test_metadata_is_json_and_restores_the_numbering_of_the_same_content():
    before = Setup().reference.current()
    metadata = json.loads(json.dumps(before.metadata()))
    it = Setup()
    it.reference.restore({**metadata, "version": 7})

    after = it.reference.current()

    assert metadata == {
        "version": 1,
        "as_of": "2026-01-31T12:00:00+00:00",
        "items": 2,
        "duplicates": 0,
        "misfits": 0,
        "content_hash": before.content_hash,
        "types": to_spark(before.types).jsonValue(),
        "read_units": 0.5,
        "stream": None,
    }
    assert after.version == 7


def test_inferred_types_outlive_a_restart():
    before = Setup(country("IN", "India", size={"N": "1.5"}), columns=["size"]).reference.current()
    it = Setup(country("IN", "India", size={"N": "2"}), columns=["size"])
    it.reference.restore(json.loads(json.dumps(before.metadata())))

    assert it.reference.current().types == before.types


def test_other_content_after_a_restart_is_the_next_version():
    metadata = {**Setup().reference.current().metadata(), "version": 7}
    it = Setup(INDIA)
    it.reference.restore(metadata)

    assert it.reference.current().version == 8


def test_restoring_after_the_first_scan_renumbers_it():
    metadata = {**Setup().reference.current().metadata(), "version": 7}
    same, other = Setup(), Setup(INDIA)
    for it, version in ((same, 7), (other, 8)):
        frame = it.reference.current().frame
        it.reference.restore(metadata)
        assert it.reference.current().version == version
        assert it.reference.current().frame is frame
        it.client.items.append(country("US", "United States"))
        assert it.after(60).version == version + 1


def test_restoring_an_older_version_never_goes_back():
    metadata = Setup().reference.current().metadata()
    it = Setup()
    it.reference.restore({**metadata, "version": 9, "content_hash": "other"})
    assert it.reference.current().version == 10

    it.reference.restore({**metadata, "version": 3})
    assert it.reference.current().version == 10


@given(st.lists(st.sampled_from(["change", "nothing", "fail", "restart", "close"]), max_size=12))
def test_versions_never_go_back_and_tell_content_apart_whatever_happens(steps):
    it, count, seen = Setup(), 0, {}
    last = it.reference.current()
    for step in steps:
        if step == "change":
            count += 1
            it.client.items.append(country(f"C{count}", f"n{count}"))
        elif step == "fail":
            it.fail(THROTTLED)
        elif step == "close":
            it.reference.close()
        elif step == "restart":
            items = it.client.items
            it = Setup(*items)
            it.reference.restore(last.metadata())
        snapshot = it.after(60)
        it.recover()
        # Never too old for the next failure.
        it.after(60)
        assert snapshot.version >= last.version
        assert (snapshot.version == last.version) == (snapshot.content_hash == last.content_hash)
        assert seen.setdefault(snapshot.version, snapshot.content_hash) == snapshot.content_hash
        last = snapshot
