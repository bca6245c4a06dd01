"""Rows that are written under a condition of the table mappings: in the phases that it names."""

from dataclasses import replace
from typing import Any

import pytest

from streamjoin.dynamodb.write.items import ItemWriter
from streamjoin.replicate.job import ReplicateJob
from streamjoin.replicate.pipeline import begin, replicate
from streamjoin.replicate.routes import Routes
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.items import FakeTables
from tests.faults.replication import World, fill
from tests.services.replication_server import Server
from tests.unit.dms.rules import mapping, parsed, selection

ABSENT = "attribute_not_exists(id)"


class Replica:
    """The table `country` of a server in memory, and the items of its rows under a condition."""

    def __init__(self, expression: str, **keys: Any) -> None:
        self.server = Server()
        self.server.create("country")
        self.client = FakeTables({"countries": {"id": "N"}})
        self.world = World(self.server, {})
        condition = {"expression": expression, **{key.replace("_", "-"): value for key, value in keys.items()}}
        self.mappings = parsed(selection(), mapping("country", "countries", condition_expression=condition))

    def job(self) -> ReplicateJob:
        writer = ItemWriter(self.client, threads=2, sleep=lambda seconds: None)
        routes = Routes(self.mappings, lambda mapping: None)
        return replace(self.world.job(), writer=writer, routes=routes)

    def catch_up(self, **options: Any) -> dict[int, str]:
        """Run the job to the binlog's end; return the value of each item."""
        replicate(self.job(), StopRequest(), Until(caught_up=True), **options)
        return self.items()

    def items(self) -> dict[int, str]:
        return {int(item["id"]["N"]): item["v"]["S"] for item in self.client.items("countries")}


def test_a_condition_of_the_load_keeps_loaded_rows_from_replacing_items() -> None:
    replica = Replica(ABSENT)
    replica.client.put_item(TableName="countries", Item={"id": {"N": "1"}, "v": {"S": "theirs"}})
    fill(replica.server, "country", 1, 2, value="row")
    assert replica.catch_up() == {1: "theirs", 2: "row"}
    fill(replica.server, "country", 1, 2, value="changed")
    assert replica.catch_up() == {1: "changed", 2: "changed"}


def test_a_condition_of_changes_keeps_changes_from_replacing_items() -> None:
    replica = Replica(ABSENT, apply_during_full_load=False, apply_during_cdc=True)
    replica.client.put_item(TableName="countries", Item={"id": {"N": "1"}, "v": {"S": "theirs"}})
    fill(replica.server, "country", 1, 2, value="row")
    assert replica.catch_up() == {1: "row", 2: "row"}
    fill(replica.server, "country", 1, 2, 3, value="changed")
    replica.server.write("country", (2, None, ""), (None, 4, "new"))
    fill(replica.server, "country", 2, 4, value="again")
    assert replica.catch_up() == {1: "row", 2: "again", 3: "changed", 4: "new"}


def test_names_and_values_of_a_condition_are_sent_with_it() -> None:
    replica = Replica(
        "attribute_not_exists(#i) OR #w = :w",
        expression_attribute_names=[{"name": "#i", "value": "id"}, {"name": "#w", "value": "v"}],
        expression_attribute_values=[{"name": ":w", "value": {"S": "draft"}}],
        apply_during_cdc=True,
    )
    fill(replica.server, "country", 1, 2, value="final")
    replica.client.put_item(TableName="countries", Item={"id": {"N": "1"}, "v": {"S": "draft"}})
    replica.client.put_item(TableName="countries", Item={"id": {"N": "2"}, "v": {"S": "sealed"}})
    assert replica.catch_up() == {1: "final", 2: "sealed"}
    fill(replica.server, "country", 1, value="never")
    assert replica.catch_up() == {1: "final", 2: "sealed"}


@pytest.mark.parametrize("during_cdc", [False, True])
def test_items_that_a_condition_keeps_in_a_reload_are_not_taken_for_those_of_rows_that_are_gone(
    during_cdc: bool,
) -> None:
    replica = Replica(ABSENT, apply_during_cdc=during_cdc)
    fill(replica.server, "country", 1, 2, 3, value="first")
    replica.catch_up()
    replica.server.rows["country"][1]["v"] = "in no binlog"
    del replica.server.rows["country"][2]
    assert replica.catch_up(reload=True) == {1: "first", 3: "first"}
    # As new as the load's start, so that whatever comes after it counts.
    replica.server.write("country", (1, None, ""))
    fill(replica.server, "country", 1, 3, value="last")
    assert replica.catch_up() == {1: "last", 3: "first" if during_cdc else "last"}


def test_a_changed_key_deletes_the_old_item_whatever_the_condition_says_of_the_new_one() -> None:
    replica = Replica(ABSENT, apply_during_cdc=True)
    fill(replica.server, "country", 1, 3, value="first")
    replica.catch_up()
    replica.client.put_item(TableName="countries", Item={"id": {"N": "2"}, "v": {"S": "theirs"}})
    replica.server.write("country", (1, 2, "moved"))
    replica.server.write("country", (3, 4, "moved"))
    assert replica.catch_up() == {2: "theirs", 4: "moved"}


def test_an_altered_tables_rows_that_a_condition_keeps_have_their_items_still() -> None:
    replica = Replica(ABSENT)
    fill(replica.server, "country", 1, 2, 3, 4, value="first")
    replica.catch_up()
    replica.server.alter("country", lose=[2])
    assert replica.catch_up() == {1: "first", 3: "first", 4: "first"}


def test_a_change_between_a_loads_start_and_the_row_that_a_condition_keeps_is_made() -> None:
    replica = Replica(ABSENT)
    fill(replica.server, "country", 1, value="first")
    replica.catch_up()
    begin(replica.job(), reload=True)
    fill(replica.server, "country", 1, value="while it was loaded")
    assert replica.catch_up() == {1: "while it was loaded"}
