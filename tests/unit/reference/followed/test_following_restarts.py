"""What is left to rewrite after the job was stopped."""

from typing import Any

import pytest

from tests.faults.reference import client_error, country
from tests.unit.reference.followed.world import INDIA, World


def test_what_is_held_back_is_not_in_the_position_that_a_restart_begins_at() -> None:
    world = World(on_change="rewrite_rows")
    world.reference.current()
    bad = world.stream.shard_of(INDIA)
    good = next(country(f"X{n}", f"x{n}") for n in range(20) if world.stream.shard_of(country(f"X{n}", "")) != bad)

    def fail(operation: str, request: dict[str, Any]) -> Exception | None:
        return client_error("ThrottlingException", operation) if request.get("ShardId") == bad else None

    world.stream.put(good)
    world.stream.fault = fail
    metadata = world.after(1).metadata()
    world.stream.fault = lambda operation, request: None
    world.restart(metadata)
    pending = world.reference.current().pending
    assert pending is not None
    assert good["countryname"]["S"] in pending.keys


def test_a_value_that_went_and_came_back_while_the_job_was_stopped_is_rewritten_all_the_same() -> None:
    world = World(on_change="rewrite_rows")
    world.reference.current()
    world.after(1)
    world.stream.put(country("IN", "Bharat"))
    # A batch was joined with it, and the job died before the rows were rewritten.
    metadata = world.after(1).metadata()
    world.stream.put(country("IN", "India"))
    world.restart(metadata)
    pending = world.reference.current().pending
    assert pending is not None
    assert {"India", "Bharat"} <= pending.keys.keys()


@pytest.mark.parametrize(("view_type", "is_known"), [("NEW_IMAGE", False), ("NEW_AND_OLD_IMAGES", True)])
def test_which_keys_changed_while_the_job_was_stopped_is_known_by_both_images(
    view_type: str, *, is_known: bool
) -> None:
    world = World(on_change="rewrite_rows", view_type=view_type)
    metadata = world.reference.current().metadata()
    for number in range(1_000):
        world.stream.put(country("IN", "Bharat" if number % 2 == 0 else "India"))
    world.stream.put(country("IN", "Hind"))
    world.restart(metadata)
    pending = world.reference.current().pending
    assert pending is not None
    assert pending.everything is not is_known
    assert set(pending.keys) == ({"India", "Bharat", "Hind"} if is_known else set())


def test_after_a_pause_of_two_days_every_row_is_compared() -> None:
    world = World(on_change="rewrite_rows")
    metadata = world.reference.current().metadata()
    world.stream.put(country("IN", "Bharat"))
    world.clock.advance(48 * 3600)
    world.restart(metadata)
    pending = world.reference.current().pending
    assert pending is not None
    assert pending.everything


def test_after_a_restart_without_a_change_nothing_is_left_to_rewrite() -> None:
    world = World(on_change="rewrite_rows")
    metadata = world.reference.current().metadata()
    world.clock.advance(48 * 3600)
    world.restart(metadata)
    pending = world.reference.current().pending
    assert pending is not None
    assert pending.is_empty
