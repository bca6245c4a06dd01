import logging
from datetime import timedelta

import pytest

from streamjoin.errors import ReferenceTableError, SchemaError
from tests.faults.reference import country
from tests.unit.reference.followed.scanned_reference import INDIA, NOON, Setup


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
    it.client.items = [country("IN", "India", area={"N": "1"}), country("FR", "France", area={"S": "large"})]

    with caplog.at_level(logging.WARNING):
        second = it.after(60)

    assert second.table.schema == first.table.schema
    assert (second.items, second.misfits, second.misfit_values, second.version) == (2, 0, {"area": 1}, 2)
    assert "values of 1 items do not fit their columns and are null: code='FR': attribute 'area'" in caplog.text


def test_a_misfit_that_comes_later_stops_the_job_if_that_is_asked_for():
    it = Setup(country("IN", "India", area={"N": "1"}), columns=["area"], on_misfit="fail")
    it.reference.current()
    it.client.items.append(country("FR", "France", area={"S": "large"}))

    with pytest.raises(ReferenceTableError, match="code='FR': attribute 'area' of type S does not fit") as raised:
        it.after(60)
    assert not raised.value.retryable


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
