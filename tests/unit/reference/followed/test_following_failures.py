"""A stream that can't be read, or not fast enough."""

import logging
from typing import Any

import pytest

from streamjoin.errors import ReferenceTableError, StaleReferenceError
from tests.faults.reference import client_error, country
from tests.unit.reference.followed.world import NOON, World, names


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InternalServerError"])
def test_a_stream_that_cant_be_read_is_no_change_but_a_failed_refresh(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    first = world.reference.current()
    world.stream.put(country("US", "USA"))
    world.stream.fault = lambda operation, request: client_error(code, operation, 500 if code[0] == "I" else 400)

    with caplog.at_level(logging.WARNING):
        second = world.after(60)
    assert (names(second), second.as_of, second.failures) == (names(first), first.as_of, 1)
    assert "refresh failed, version 1 of 60 s ago is used" in caplog.text
    with pytest.raises(StaleReferenceError, match="300 s"):
        world.after(241)

    world.stream.fault = lambda operation, request: None
    assert "USA" in names(world.after(11))
    assert world.reference.current().failures == 0


def test_what_one_shard_gave_before_another_failed_is_not_lost() -> None:
    world = World()
    world.reference.current()
    by_shard = {world.stream.shard_of(each): each for each in (country(f"X{n}", f"x{n}") for n in range(20))}
    assert len(by_shard) == 2
    (_, first), (bad, second) = by_shard.items()
    world.stream.put(first)
    world.stream.put(second)

    def fail(operation: str, request: dict[str, Any]) -> Exception | None:
        return client_error("ThrottlingException", operation) if request.get("ShardId") == bad else None

    world.stream.fault = fail
    snapshot = world.after(1)
    # Not shown before all are read: what one shard gives may be older than what is known.
    assert not {each["countryname"]["S"] for each in (first, second)} & names(snapshot).keys()
    assert (snapshot.as_of, snapshot.failures) == (NOON, 1)
    world.stream.fault = lambda operation, request: None
    assert {each["countryname"]["S"] for each in (first, second)} <= names(world.after(60)).keys()


def test_the_first_load_fails_straight_away_when_the_stream_is_denied() -> None:
    world = World()
    world.stream.fault = lambda operation, request: client_error("AccessDeniedException", operation)
    with pytest.raises(ReferenceTableError, match="denied"):
        world.reference.current()


def test_changes_that_come_faster_than_they_are_read_are_a_failed_refresh_not_a_silent_one() -> None:
    world = World()
    world.reference.current()
    numbers = iter(range(10**6))

    def come(operation: str, request: dict[str, Any]) -> None:
        if operation == "GetRecords":
            world.clock.advance(5)
            for code in "UVWXYZ":
                world.stream.put(country(code, f"n{next(numbers)}"))

    world.stream.fault = come
    assert world.after(1).failures == 1
    with pytest.raises(StaleReferenceError, match="come faster than they are read"):
        for _ in range(40):
            world.after(11)
    world.reference.close()
    with pytest.raises(ReferenceTableError, match="the tip of its stream was not reached in 600 s") as raised:
        world.reference.current()
    assert raised.value.retryable
