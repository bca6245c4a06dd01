"""Changes that a stream no longer has, and streams that can't be followed: the table is scanned."""

import logging

import pytest

from tests.faults.reference import country
from tests.unit.reference.followed.world import World, names


def test_a_trimmed_stream_means_to_scan_again_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.reference.current()
    world.stream.put(country("US", "USA"))
    world.after(1)
    world.stream.put(country("CH", "Switzerland"))
    for shard in world.stream.open_shards():
        world.stream.trim(shard)
    world.stream.expire_iterators()

    with caplog.at_level(logging.WARNING):
        assert "Switzerland" in names(world.after(1))

    assert world.scans == 2
    assert "scanning again" in caplog.text


def test_a_pause_longer_than_the_stream_keeps_its_changes_means_to_scan_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.reference.current()
    with caplog.at_level(logging.WARNING):
        world.after(24 * 3600)
    assert world.scans == 2
    assert "it was last read 24 hours ago" in caplog.text


def test_a_stream_that_is_switched_off_is_read_to_its_end_then_the_table_is_scanned_at_the_interval(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.reference.current()
    world.stream.put(country("US", "USA"))
    world.stream.disable()
    world.table.stream = {}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            snapshot = world.after(61)
    assert "USA" in names(snapshot)
    assert "switched off" in caplog.text
    assert "it is scanned every 60 s" in caplog.text
    scans = world.scans
    world.stream.items.append(country("CH", "Switzerland"))
    assert "Switzerland" not in names(world.after(30))
    assert "Switzerland" in names(world.after(31))
    assert world.scans == scans + 1


def test_a_stream_that_is_switched_on_later_is_followed_from_the_next_scan_on() -> None:
    world = World()
    world.table.stream = {}
    world.reference.current()
    world.enable()
    world.after(60)
    world.stream.put(country("US", "USA"))
    assert "USA" in names(world.after(1))
    assert world.scans == 2


@pytest.mark.parametrize("view_type", ["KEYS_ONLY", "OLD_IMAGE"])
def test_a_stream_without_new_images_is_not_followed_which_is_said_once(
    view_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(view_type=view_type)
    with caplog.at_level(logging.WARNING):
        world.reference.current()
        world.after(60)
    assert world.scans == 2
    assert caplog.text.count(f"view type {view_type}, without new images") == 1
    assert not world.stream.calls
