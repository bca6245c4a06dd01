"""Versions and types go on after a restart."""

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.spark.schema import to_spark
from tests.faults.reference import country
from tests.unit.reference.followed.scanned_reference import INDIA, THROTTLED, Setup


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
        "misfit_values": {},
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


def test_a_restart_goes_on_with_the_bigint_of_an_earlier_version_and_without_its_json_in_the_join_key():
    """What commits of before say: the table has a bigint, and a key of several types was JSON text."""
    schema = pa.schema(
        [pa.field("size", pa.int64()), pa.field("countryname", pa.string(), metadata={b"streamjoin.text": b"json"})]
    )
    items = country("IN", "India", size={"N": "10"}), country("FR", "France", size={"N": "9.99"})
    it = Setup(*items, columns=["size"])
    it.reference.restore({**Setup().reference.current().metadata(), "types": to_spark(schema).jsonValue()})

    snapshot = it.reference.current()

    assert snapshot.table.to_pylist() == [
        {"size": 10, "countryname": "India"},
        {"size": None, "countryname": "France"},
    ]
    assert snapshot.misfit_values == {"size": 1}


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
