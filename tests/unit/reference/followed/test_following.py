"""A reference that is kept current by its table's stream, on fakes that do what no emulator does."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamjoin.errors import ReferenceTableError, StaleReferenceError
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from tests.faults.reference import FakeClock, FakeDynamoDb, FakeSpark, client_error, country, settings
from tests.faults.stream import FakeTableStream

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
INDIA, FRANCE = country("IN", "India"), country("FR", "France")


class World:
    """A table with a stream, one or two references to it, and a clock."""

    def __init__(self, *items: dict[str, Any], view_type: str = "NEW_AND_OLD_IMAGES", **changes: Any) -> None:
        self.clock = FakeClock(NOON)
        self.stream = FakeTableStream(keys=("code",), shards=2, view_type=view_type, clock=self.clock)
        self.table = FakeDynamoDb([])
        self.enable(view_type)
        self.table.items = self.stream.items
        self.stream.items += items or (INDIA, FRANCE)
        self.changes = {"refresh": {"follow": "changes", "max_staleness_seconds": 300}, **changes}
        self.reference = self.start()

    def enable(self, view_type: str = "NEW_AND_OLD_IMAGES") -> None:
        self.table.stream = {
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": view_type},
            "LatestStreamArn": self.stream.arn,
        }

    def start(self) -> Reference:
        chosen = settings(**self.changes)
        feed = TableFeed(
            chosen.dynamodb, chosen.refresh, client=self.table, streams=lambda: self.stream, clock=self.clock
        )
        return Reference(chosen, client=self.table, spark=FakeSpark(), feed=feed, clock=self.clock)  # type: ignore[arg-type]

    def restart(self, metadata: dict[str, Any]) -> None:
        """Go on as a new process does, from what the last commit says."""
        self.reference = self.start()
        self.reference.restore(json.loads(json.dumps(metadata)))

    def after(self, seconds: float) -> Snapshot:
        self.clock.advance(seconds)
        return self.reference.current()

    @property
    def scans(self) -> int:
        return sum("ExclusiveStartKey" not in request for request in self.table.scans)


def names(snapshot: Snapshot) -> dict[str, str]:
    return {row["countryname"]: row["country_code"] for row in snapshot.table.to_pylist()}


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


@pytest.mark.parametrize("view_type", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_every_view_type_with_a_new_image_is_followed(view_type: str) -> None:
    world = World(view_type=view_type)
    world.reference.current()
    world.stream.put(country("IN", "Bharat"))
    world.stream.delete(FRANCE)
    assert names(world.after(1)) == {"Bharat": "IN"}


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


def test_the_first_load_fails_straight_away_when_the_stream_is_denied() -> None:
    world = World()
    world.stream.fault = lambda operation, request: client_error("AccessDeniedException", operation)
    with pytest.raises(ReferenceTableError, match="denied"):
        world.reference.current()


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


def test_changes_that_come_faster_than_they_are_read_are_a_failed_refresh_not_a_silent_one() -> None:
    world = World()
    world.reference.current()
    numbers = iter(range(10**6))

    def come(operation: str, request: dict[str, Any]) -> None:
        if operation == "GetRecords":
            world.clock.advance(0.5)
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
