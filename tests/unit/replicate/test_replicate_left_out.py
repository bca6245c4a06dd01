"""Tables under a wildcard that can't be mapped: left out by name, while the others go on."""

from dataclasses import replace
from typing import Any

import pytest

from streamjoin.errors import ConfigError, SinkError, SourceError
from streamjoin.replicate.control_state import LoadProgress
from streamjoin.replicate.pipeline import replicate
from streamjoin.streaming.runner import Until
from streamjoin.streaming.signals import StopRequest
from tests.faults.replication import World, fill
from tests.services.replication_server import Server
from tests.unit.dms.rules import parsed, selection


@pytest.fixture
def server() -> Server:
    server = Server()
    server.create("stock")
    fill(server, "stock", 1)
    return server


@pytest.fixture
def world(server: Server) -> World:
    return World(server, {}, mappings=parsed(selection("shop", "%")))


def run(world: World, **options: Any) -> None:
    replicate(world.job(), StopRequest(), Until(caught_up=True), **options)


def without_key(server: Server, name: str, *rows: int) -> None:
    if name not in server.definitions:
        server.create(name)
    server.definitions[name] = replace(server.definitions[name], primary_key=())
    fill(server, name, *rows)


def values(world: World, table: str = "stock") -> dict[str, str]:
    return {key: item["v"]["S"] for key, item in world.items.content()[table].items()}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for record in caplog.records if "is left out; " in (message := record.getMessage())]


def test_a_table_without_a_key_that_came_and_went_is_named_and_counted_and_the_others_go_on(world, server, caplog):
    caplog.set_level("INFO")
    run(world)
    without_key(server, "scratch", 1, 2)
    fill(server, "stock", 1, value="2")
    server.drop("scratch")
    run(world)
    (warning,) = warnings(caplog)
    assert "table 'shop.scratch' is left out; the others go on" in warning
    assert "it has no primary key" in warning
    assert sum(int(m.partition("left_out=")[2].split()[0]) for m in caplog.messages if "left_out=" in m) == 2
    assert values(world) == {"1": "2"}
    assert set(world.items.tables) == {"stock"}
    fill(server, "stock", 2)
    run(world)
    assert values(world) == {"1": "2", "2": "x"}


def test_at_a_start_it_is_named_too_and_joins_when_it_gets_a_key(world, server, caplog):
    without_key(server, "scratch", 1)
    run(world)
    assert len(warnings(caplog)) == 1
    assert values(world) == {"1": "x"}
    server.create("scratch_with_key")
    server.definitions["scratch"] = replace(server.definitions["scratch_with_key"], name="scratch")
    server.alter("scratch")
    fill(server, "scratch", 2)
    run(world)
    assert values(world, "scratch") == {"1": "x", "2": "x"}


def test_a_table_that_loses_its_key_keeps_its_items_until_its_rows_are_gone(world, server, caplog):
    server.create("scratch")
    fill(server, "scratch", 1, 2)
    job = world.job()
    replicate(job, StopRequest(), Until(caught_up=True))
    server.alter("scratch", "w")
    without_key(server, "scratch", 3)
    replicate(job, StopRequest(), Until(caught_up=True))
    assert values(world, "scratch") == {"1": "x", "2": "x"}
    server.truncate("scratch")
    replicate(job, StopRequest(), Until(caught_up=True))
    assert world.items.content()["scratch"] == {}
    assert values(world) == {"1": "x"}


def test_a_job_whose_last_fitting_table_is_gone_goes_on_and_a_new_one_is_refused(world, server, caplog):
    without_key(server, "scratch", 1)
    run(world)
    server.drop("stock")
    run(world)
    assert values(world, "stock") == {}
    with pytest.raises(ConfigError, match=r"table 'shop\.scratch': it has no primary key"):
        run(world, reload=True)
    server.create("stock")
    fill(server, "stock", 2)
    run(world)
    assert values(world)["2"] == "x"


def test_a_table_that_a_foreign_key_changes_unseen_is_left_out_also_if_it_comes_later(world, server, caplog):
    run(world)
    server.create("child")
    fill(server, "child", 1)
    server.definitions["child"] = replace(server.definitions["child"], problems=("its foreign key has ON DELETE …",))
    # As its CREATE TABLE is read.
    server.alter("stock")
    fill(server, "child", 2)
    run(world)
    run(world)
    assert "its foreign key has ON DELETE" in warnings(caplog)[-1]
    assert values(world) == {"1": "x"}


def test_a_table_whose_target_has_another_key_is_left_out_too(world, server, caplog):
    run(world)
    world.unfit = {"scratch"}
    server.create("scratch")
    fill(server, "scratch", 1)
    fill(server, "stock", 1, value="2")
    run(world)
    assert "expected another key" in warnings(caplog)[-1]
    assert values(world) == {"1": "2"}
    world.mappings = parsed(selection("shop", "%"), selection("shop", "scratch"))
    with pytest.raises(SinkError, match="expected another key"):
        run(world)


def test_a_table_that_a_rule_names_is_refused_at_a_start_and_ends_a_job_that_runs(world, server):
    world.mappings = parsed(selection("shop", "%"), selection("shop", "scratch"))
    run(world)
    without_key(server, "scratch", 1)
    with pytest.raises(ConfigError, match=r"table 'shop\.scratch': it has no primary key"):
        run(world)
    server.drop("scratch")
    with pytest.raises(SourceError, match=r"can't be replicated as it is here\. .*start with --reload"):
        run(world)
    run(world, reload=True)
    assert values(world) == {"1": "x"}


@pytest.fixture
def lower() -> Any:
    """Return rules by which tables whose names differ in case alone have one target."""
    rule = {"rule-type": "transformation", "rule-id": "9", "rule-name": "lower", "rule-target": "table"}
    rule |= {"rule-action": "convert-lowercase", "object-locator": {"schema-name": "%", "table-name": "%"}}
    return rule


def test_of_two_tables_with_one_target_the_one_that_comes_later_is_left_out_at_the_next_start_too(
    world, server, lower, caplog
):
    caplog.set_level("INFO")
    world.mappings = parsed(selection("shop", "%"), lower)
    job = world.job()
    replicate(job, StopRequest(), Until(caught_up=True))
    server.create("STOCK")
    fill(server, "STOCK", 7, 8)
    fill(server, "stock", 1, value="2")
    replicate(job, StopRequest(), Until(caught_up=True))
    assert values(world) == {"1": "2"}
    assert sum(int(m.partition("left_out=")[2].split()[0]) for m in caplog.messages if "left_out=" in m) == 2
    # As it was found, first, it would have the target.
    server.definitions = {name: server.definitions[name] for name in ("STOCK", "stock")}
    fill(server, "STOCK", 8, value="2")
    run(world)
    server.alter("STOCK")
    run(world)
    run(world, reload=True)
    assert values(world) == {"1": "2"}
    assert all("'shop.STOCK' is left out" in m and "as 'shop.stock' already does" in m for m in warnings(caplog))
    world.mappings = parsed(selection("shop", "%"), selection("shop", "STOCK"), lower)
    with pytest.raises(ConfigError, match="all would become 'stock'"):
        run(world)


@pytest.mark.parametrize("stands", [False, True])
def test_a_table_gets_its_target_when_the_one_that_had_it_is_dropped(world, server, lower, stands):
    world.mappings = parsed(selection("shop", "%"), lower)
    job = world.job()
    replicate(job, StopRequest(), Until(caught_up=True))
    server.create("STOCK")
    fill(server, "STOCK", 7)
    replicate(job, StopRequest(), Until(caught_up=True))
    server.truncate("stock")
    fill(server, "stock", 2)
    replicate(job, StopRequest(), Until(caught_up=True))
    assert values(world) == {"2": "x"}
    server.drop("stock")
    replicate(world.job() if stands else job, StopRequest(), Until(caught_up=True))
    fill(server, "STOCK", 9)
    run(world)
    assert values(world) == {"7": "x", "9": "x"}


def test_a_table_that_a_rule_names_ends_a_job_when_it_comes_with_the_target_of_another(world, server, lower):
    world.mappings = parsed(selection("shop", "%"), selection("shop", "STOCK"), lower)
    run(world)
    server.create("STOCK")
    fill(server, "STOCK", 7)
    job = world.job()
    job.routes.add([server.definitions["stock"]])
    with pytest.raises(
        SourceError, match=r"'shop\.STOCK' can't be replicated as it is here(.|\n)*'shop.stock' already"
    ):
        job.routes.mapping(server.definitions["STOCK"])


def test_a_load_that_was_begun_when_names_had_no_quotes_goes_on(world, server):
    world.mappings = parsed(selection("shop%", "%"))
    server.definitions["stock"] = replace(server.definitions["stock"], schema="shop.x")
    run(world)
    state = world.control.saved[-1]
    world.control.save(replace(state, loading={"shop.x.stock": LoadProgress((0,))}))
    server.rows["stock"][2] = {"id": 2, "v": "x"}
    run(world)
    assert values(world) == {"1": "x", "2": "x"}
