"""A reference that follows its table, on two emulators: read once, then by its changes alone."""

from typing import Any

import pytest

from streamjoin.local.tables import create_table, put_items
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from tests.faults.reference import FakeSpark, settings


class Counting:
    """A client that counts its calls."""

    def __init__(self, client: Any) -> None:
        self._client, self.calls = client, dict[str, int]()
        self.meta = client.meta

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            return getattr(self._client, operation)(**request)

        return call


class World:
    def __init__(self, emulator: Any, table: str) -> None:
        self.table, self.name = emulator.tables, table
        self.tables, self.streams = Counting(emulator.tables), Counting(emulator.streams)
        create_table(self.table, table, {"code": "S", "countryname": "S"})
        self.reference = self.start()

    def start(self) -> Reference:
        chosen = settings(
            dynamodb={"table_name": self.name},
            columns={"combinedname": "combinedname"},
            refresh={"follow": "changes", "max_staleness_seconds": 300},
            on_change="rewrite_rows",
        )
        feed = TableFeed(chosen.dynamodb, chosen.refresh, client=self.tables, streams=lambda: self.streams)
        return Reference(chosen, client=self.tables, spark=FakeSpark(), feed=feed)  # type: ignore[arg-type]

    def put(self, *rows: tuple[str, str, str]) -> None:
        put_items(self.table, self.name, [{"code": c, "countryname": n, "combinedname": v} for c, n, v in rows])

    def delete(self, code: str, name: str) -> None:
        self.table.delete_item(TableName=self.name, Key={"code": {"S": code}, "countryname": {"S": name}})


def rows(snapshot: Snapshot) -> dict[str, str]:
    return {row["countryname"]: row["combinedname"] for row in snapshot.table.to_pylist()}


@pytest.fixture
def world(emulator: Any, fresh_name: Any) -> World:
    return World(emulator, fresh_name("following"))


def test_a_change_is_in_the_next_snapshot_and_the_table_is_scanned_once(world: World) -> None:
    world.put(("IN", "India", "IN-India"), ("US", "USA", "US-USA"))
    assert rows(world.reference.current()) == {"India": "IN-India", "USA": "US-USA"}
    world.put(("IN", "India", "IN-IND-India"), ("FR", "France", "FR-France"))
    world.delete("US", "USA")
    snapshot = world.reference.current()
    assert rows(snapshot) == {"India": "IN-IND-India", "France": "FR-France"}
    assert (snapshot.version, snapshot.items, snapshot.consumed_read_units) == (2, 2, 0)
    assert snapshot.pending is not None
    assert set(snapshot.pending.keys) == {"India", "France", "USA"}
    assert world.tables.calls["scan"] == 1


def test_without_a_change_a_snapshot_costs_one_request_for_changes(world: World) -> None:
    world.put(("IN", "India", "IN-India"))
    world.reference.current()
    world.streams.calls.clear()
    world.tables.calls.clear()
    for _ in range(5):
        assert world.reference.current().version == 1
    assert world.streams.calls == {"get_records": 5}
    assert world.tables.calls == {}


def test_a_restart_goes_on_with_version_and_finds_the_keys_that_changed_meanwhile(world: World) -> None:
    world.put(("IN", "India", "IN-India"), ("US", "USA", "US-USA"))
    world.reference.current()
    # Something is read of the stream, so that the position has a place after it.
    world.put(("FR", "France", "FR-France"))
    snapshot = world.reference.current()
    assert snapshot.pending is not None
    world.reference.rewritten(snapshot.pending.rest(None))
    metadata = world.reference.current().metadata()
    world.put(("US", "USA", "US-USA-US"))
    world.delete("FR", "France")

    world.reference = world.start()
    world.reference.restore(metadata)
    snapshot = world.reference.current()

    assert snapshot.version == metadata["version"] + 1
    assert rows(snapshot) == {"India": "IN-India", "USA": "US-USA-US"}
    assert snapshot.pending is not None
    assert not snapshot.pending.everything
    assert set(snapshot.pending.keys) == {"USA", "France"}


def test_a_stream_that_was_switched_off_and_on_again_means_to_scan_again(world: World) -> None:
    world.put(("IN", "India", "IN-India"))
    world.reference.current()
    for enabled in (False, True):
        specification = {"StreamEnabled": enabled, **({"StreamViewType": "NEW_IMAGE"} if enabled else {})}
        world.table.update_table(TableName=world.name, StreamSpecification=specification)
        if not enabled:
            world.put(("US", "USA", "US-USA"))
            found = world.reference.current()
    assert rows(found) in ({"India": "IN-India"}, {"India": "IN-India", "USA": "US-USA"})
    world.reference.close()
    assert rows(world.reference.current()) == {"India": "IN-India", "USA": "US-USA"}
    world.put(("FR", "France", "FR-France"))
    assert "France" in rows(world.reference.current())
