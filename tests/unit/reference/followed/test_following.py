"""A reference that is kept current by its table's stream, on fakes that do what no emulator does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from tests.faults.reference import FakeSpark, client_error, country, settings
from tests.unit.reference.followed.world import FRANCE, INDIA, NOON, World, names


def test_a_change_is_in_the_next_snapshot_and_nothing_is_scanned_for_it() -> None:
    world = World()
    assert names(world.reference.current()) == {"India": "IN", "France": "FR"}
    world.stream.put(country("US", "USA"))
    world.stream.put(country("FR", "Frankreich"))
    world.stream.delete(INDIA)

    snapshot = world.after(1)

    assert names(snapshot) == {"USA": "US", "Frankreich": "FR"}
    assert (snapshot.version, snapshot.items, snapshot.consumed_read_units) == (2, 2, 0)
    assert snapshot.as_of == NOON + timedelta(seconds=1)
    assert world.scans == 1


def test_without_a_change_nothing_is_read_and_the_version_stays() -> None:
    world = World()
    first = world.reference.current()

    later = world.after(3600)

    assert (later.version, later.side, later.consumed_read_units) == (1, later.side, 0)
    assert later.as_of > first.as_of
    assert world.scans == 1


def test_a_snapshot_stays_as_it_is_when_the_table_changes() -> None:
    world = World()
    first = world.reference.current()
    before, side = names(first), first.side(None)  # type: ignore[arg-type]
    world.stream.put(country("US", "USA"))
    world.after(1)

    assert names(first) == before
    assert first.side(None) is side  # type: ignore[arg-type]


def test_a_change_made_while_the_table_is_scanned_is_in_the_first_snapshot() -> None:
    world = World(INDIA, FRANCE, *(country(f"C{n}", f"n{n}") for n in range(6)))

    def change_meanwhile(operation: str, request: dict[str, Any]) -> None:
        if operation == "Scan" and "ExclusiveStartKey" in request and len(world.table.scans) == 2:
            world.stream.put(country("IN", "Bharat"))
            world.stream.delete(country("C5", ""))

    world.table.fault = change_meanwhile

    found = names(world.reference.current())

    assert found["Bharat"] == "IN"
    assert not {"India", "n5"} & found.keys()


def test_the_position_is_noted_before_the_scan_begins() -> None:
    world = World()
    seen = []
    world.table.fault = lambda operation, request: seen.append((operation, len(world.stream.calls)))
    world.reference.current()
    noted = dict(seen)["Scan"]
    assert {operation for operation, _ in world.stream.calls[:noted]} >= {"GetShardIterator", "GetRecords"}


def test_shards_that_rotate_and_split_are_followed() -> None:
    world = World()
    world.reference.current()
    for number in range(4):
        world.stream.put(country(f"R{number}", f"r{number}"))
        world.stream.rotate(world.stream.open_shards()[0])
        world.stream.put(country(f"S{number}", f"s{number}"))
        world.stream.split(world.stream.open_shards()[-1])
        world.stream.put(country("IN", f"India {number}"))
        assert set(names(world.after(1))) >= {f"r{number}", f"s{number}", f"India {number}"}
    assert world.scans == 1


def test_iterators_that_expired_are_renewed_without_a_scan() -> None:
    world = World()
    world.reference.current()
    world.stream.put(country("US", "USA"))
    world.after(1)
    world.stream.expire_iterators()
    world.stream.put(country("CH", "Switzerland"))

    assert {"USA", "Switzerland"} <= names(world.after(3600)).keys()
    assert world.scans == 1


@pytest.mark.parametrize("view_type", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_every_view_type_with_a_new_image_is_followed(view_type: str) -> None:
    world = World(view_type=view_type)
    world.reference.current()
    world.stream.put(country("IN", "Bharat"))
    world.stream.delete(FRANCE)
    assert names(world.after(1)) == {"Bharat": "IN"}


def test_two_references_to_one_table_share_its_scan_and_its_stream() -> None:
    world = World()
    chosen = settings(**world.changes)
    feed = TableFeed(
        chosen.dynamodb, chosen.refresh, client=world.table, streams=lambda: world.stream, clock=world.clock
    )
    other = settings(**world.changes, name="other", on={"code": "code"}, columns={"countryname": "country_name"})
    one, two = (
        Reference(each, client=world.table, spark=FakeSpark(), feed=feed, clock=world.clock)  # type: ignore[arg-type]
        for each in (chosen, other)
    )
    for expected in ({"India", "France"}, {"India", "France", "USA"}):
        calls = len(world.stream.calls)
        first, second = one.current(), two.current()
        assert set(names(first)) == expected
        assert {row["country_name"] for row in second.table.to_pylist()} == expected
        assert first.as_of == second.as_of
        world.stream.put(country("US", "USA"))
        world.clock.advance(1)
    assert world.scans == 1
    # An empty page of each shard ends a poll, and one of them gave a record before: one poll, not two.
    assert len(world.stream.calls) - calls == 3


def test_read_units_that_no_commit_named_are_in_the_next_one() -> None:
    world = World(refresh={"follow": "scan", "interval_seconds": 1, "max_staleness_seconds": 300})
    world.reference.current()
    unreported = world.after(2)
    world.reference.unreported(unreported)
    assert unreported.consumed_read_units == world.reference.current().consumed_read_units == 0.5
    assert world.reference.current().consumed_read_units == 0


@pytest.mark.parametrize("follow", ["changes", "scan"])
@hypothesis_settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_history_ends_with_the_tables_own_content(follow: str, data: st.DataObject) -> None:
    world = World(refresh={"follow": follow, "interval_seconds": 1, "max_staleness_seconds": 10_000})
    codes = st.sampled_from(["IN", "FR", "US", "CH"])
    actions: dict[str, Callable[[], object]] = {
        "put": lambda: world.stream.put(country(data.draw(codes), data.draw(st.sampled_from(["x", "y", "z"])))),
        "delete": lambda: world.stream.delete(country(data.draw(codes), "")),
        "rotate": lambda: world.stream.rotate(data.draw(st.sampled_from(world.stream.open_shards()))),
        "expire": world.stream.expire_iterators,
        "throttle": lambda: setattr(world.stream, "fault", lambda operation, _: client_error("Throttling", operation)),
        "recover": lambda: setattr(world.stream, "fault", lambda *_: None),
        "look": lambda: world.after(11),
    }
    world.reference.current()
    versions = [1]
    for action in data.draw(st.lists(st.sampled_from(sorted(actions)), max_size=15)):
        actions[action]()
        versions.append(world.reference.current().version)
    actions["recover"]()
    snapshot = world.after(11)
    expected: dict[str, str] = {}
    for item in sorted(world.stream.items, key=lambda each: each["code"]["S"], reverse=True):
        expected[item["countryname"]["S"]] = item["code"]["S"]
    assert names(snapshot) == expected
    assert versions == sorted(versions)
